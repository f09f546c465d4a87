"""What is made of the course for other places: the guides in docs/, the static site, the slides, a folder of wheels.

    python -m mmaplab.publish docs            docs/ and README.md: what is generated in them
    python -m mmaplab.publish notes           the instructor's notes, beside the notebooks' cells
    python -m mmaplab.publish site [DIR]      the whole course as pages that open from a folder
    python -m mmaplab.publish slides [DIR]    slides for each chapter

`make docs`, `make site`, `make slides` call these. All of it works in the checkout of the course, without a network.
"""
