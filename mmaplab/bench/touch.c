/*
 * The loops of the course's experiments in C: what they cost without Python. Compiled by mmaplab/bench/wrappers.py.
 *
 *     touch load|store|cold|read|write FILE PAGES     prints: minor faults, major faults, bytes copied
 *     touch times FILE PAGES                          prints: nanoseconds of a hit, a minor fault, a major fault
 *
 * load, store   one byte in each page of a shared mapping; getrusage(2) counts the faults
 * cold          the same loads, the file not cached and MADV_RANDOM: each waits for the disk
 * read, write   the whole file in pieces of 64 KiB; /proc/self/io counts the bytes
 * times         medians of single loads, as mmaplab.experiments.time_touches takes them
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#define PAGE 4096L
#define PIECE (64L << 10)
#define PLACE ((void *)0x3000000000) /* a multiple of 2 MiB: the windows of fault-around begin where the file does */

static int fd;
static long pages;
static char piece[PIECE];
static volatile char sink;

static void need(int condition, const char *what)
{
	if (!condition) {
		perror(what);
		exit(1);
	}
}

/* Return the bytes that this process has read and written by system calls, but for those of this function. */
static long copied(void)
{
	static long own;
	char text[256] = "";
	long rchar = 0, wchar = 0;
	int file = open("/proc/self/io", O_RDONLY);
	long n = read(file, text, sizeof(text) - 1);

	need(n > 0 && sscanf(text, "rchar: %ld wchar: %ld", &rchar, &wchar) == 2, "/proc/self/io");
	close(file);
	own += n;
	return rchar + wchar - (own - n);
}

static volatile char *map(int prot)
{
	char *a = mmap(PLACE, pages * PAGE, prot, MAP_SHARED | MAP_FIXED_NOREPLACE, fd, 0);

	need(a == PLACE, "mmap");
	return a;
}

static void load(void)
{
	volatile char *a = map(PROT_READ);

	for (long page = 0; page < pages; page++)
		sink = a[page * PAGE];
}

static void store(void)
{
	volatile char *a = map(PROT_READ | PROT_WRITE);

	for (long page = 0; page < pages; page++)
		a[page * PAGE] = 's';
}

static void drop(void)
{
	need(fsync(fd) == 0, "fsync");
	need(posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED) == 0, "posix_fadvise");
}

static void cold(void)
{
	need(madvise((void *)map(PROT_READ), pages * PAGE, MADV_RANDOM) == 0, "madvise");
	for (long page = 0; page < pages; page++)
		sink = ((volatile char *)PLACE)[page * PAGE];
}

static void read_all(void)
{
	for (long at = 0; at < pages * PAGE; at += PIECE)
		need(pread(fd, piece, PIECE, at) == PIECE, "pread");
}

static void write_all(void)
{
	for (long at = 0; at < pages * PAGE; at += PIECE)
		need(pwrite(fd, piece, PIECE, at) == PIECE, "pwrite");
}

static void count(void (*loop)(void))
{
	struct rusage before, after;
	long first;

	memset(piece, 'w', sizeof(piece));
	/* Every page of program, library and stack is brought in: no later fault is of their making. */
	if (mlockall(MCL_CURRENT) == 0)
		munlockall();
	getrusage(RUSAGE_SELF, &after);
	first = copied();
	getrusage(RUSAGE_SELF, &before);
	loop();
	getrusage(RUSAGE_SELF, &after);
	printf("%ld %ld %ld\n", after.ru_minflt - before.ru_minflt, after.ru_majflt - before.ru_majflt,
	       copied() - first);
}

static int in_order(const void *one, const void *other)
{
	long a = *(const long *)one, b = *(const long *)other;

	return (a > b) - (a < b);
}

/* Return the median of the nanoseconds that loads of every `step`-th page take. */
static long median(long step)
{
	struct timespec begin, end;
	long *took = calloc(pages / step + 1, sizeof(long)), n = 0, found;

	need(took != NULL, "calloc");
	for (long page = 0; page < pages; page += step) {
		clock_gettime(CLOCK_MONOTONIC, &begin);
		sink = ((volatile char *)PLACE)[page * PAGE];
		clock_gettime(CLOCK_MONOTONIC, &end);
		took[n++] = (end.tv_sec - begin.tv_sec) * 1000000000L + end.tv_nsec - begin.tv_nsec;
	}
	qsort(took, n, sizeof(long), in_order);
	found = (took[(n - 1) / 2] + took[n / 2]) / 2;
	free(took);
	return found;
}

static void times(void)
{
	long hit, minor;

	map(PROT_READ);
	minor = median(32);
	hit = median(32);
	need(munmap(PLACE, pages * PAGE) == 0, "munmap");
	drop();
	need(madvise((void *)map(PROT_READ), pages * PAGE, MADV_RANDOM) == 0, "madvise");
	printf("%ld %ld %ld\n", hit, minor, median(64));
}

int main(int argc, char **argv)
{
	need(argc == 4, "usage: touch load|store|cold|read|write|times FILE PAGES");
	fd = open(argv[2], O_RDWR);
	need(fd >= 0, argv[2]);
	pages = atol(argv[3]);
	if (!strcmp(argv[1], "cold"))
		drop();
	if (!strcmp(argv[1], "load"))
		count(load);
	else if (!strcmp(argv[1], "store"))
		count(store);
	else if (!strcmp(argv[1], "cold"))
		count(cold);
	else if (!strcmp(argv[1], "read"))
		count(read_all);
	else if (!strcmp(argv[1], "write"))
		count(write_all);
	else
		times();
	return 0;
}
