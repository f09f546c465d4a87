// Starts the slides, and makes a slide smaller that would not fit: a chapter's cells were written for a page.

function fit(slide) {
  if (!slide) return;
  const high = Reveal.getConfig().height;
  slide.style.zoom = 1;
  for (let zoom = 0.95; slide.scrollHeight * Number(slide.style.zoom) > high && zoom >= 0.4; zoom -= 0.05) slide.style.zoom = zoom.toFixed(2);
}

Reveal.initialize({
  width: 1280, height: 760, margin: 0.03, center: false, hash: true, controls: true, progress: true,
  slideNumber: "c/t", transition: "none", plugins: [RevealNotes],
}).then(() => fit(Reveal.getCurrentSlide()));
Reveal.on("slidechanged", (event) => fit(event.currentSlide));
