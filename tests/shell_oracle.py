"""Executes shell text with stub commands in an isolated root and compares what happened.

Every external command is a stub that logs how it was called and ends with a chosen status, so
two lists of RUN scripts can be compared over the combinations of statuses. Scripts are
untrusted: they run in a chroot with only the shells and the stub, as a user of their own, with
limits, without network; where that cannot be had, `OracleUnavailable` is raised.
"""

from __future__ import annotations

import atexit
import hashlib
import os
import platform
import random
import re
import shutil
import stat
import struct
import subprocess
import tempfile
import threading
from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from functools import cache, lru_cache
from pathlib import Path, PurePosixPath
from typing import Final

Argv = tuple[str, ...]

SHELLS: Final = ("dash", "bash", "busybox")
START: Final = "/start"
TIMED_OUT: Final = -1
UNSET: Final = "<unset>"
NOTHING: Final = "nothing present"

_ENVIRONMENT: Final = {
    "HOME": "/root",
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
}
# Scripts that know their architectures give up on any other answer.
_ANSWERS: Final[Mapping[Argv, str]] = {
    ("apk", "--print-arch"): "x86_64",
    ("arch",): "x86_64",
    ("dpkg", "--print-architecture"): "amd64",
    ("id", "-u"): "0",
    ("nproc",): "2",
    ("rpm", "--query", "--queryformat=%{ARCH}", "rpm"): "x86_64",
    ("uname", "-m"): "x86_64",
    ("uname", "-s"): "Linux",
}
_ARGV0: Final = {"dash": "/bin/sh", "bash": "/bin/bash", "busybox": "/bin/sh"}
_STUBS: Final = "/usr/bin"
# fmt: off
_SKELETON: Final = (
    "/bin", "/sbin", "/usr/bin", "/usr/sbin", "/usr/local/bin", "/usr/local/sbin",
    "/usr/local/lib", "/usr/lib", "/usr/share", "/usr/src", "/etc", "/home", "/mnt", "/opt",
    "/root", "/srv", "/tmp", "/var/cache", "/var/lib", "/var/log", "/var/tmp",
)
# fmt: on
# What shells export on their own account; the directory is part of a call anyway.
_UNCOMPARED: Final = frozenset({"PWD", "OLDPWD", "SHLVL", "_"})

_KEYWORDS: Final = "! { } [[ ]] case coproc do done elif else esac fi for function if in select "
BUILTINS: Final = frozenset(
    (
        _KEYWORDS + "then until while . : [ alias bg bind break builtin caller cd chdir command "
        "compgen complete compopt continue declare dirs disown echo enable eval exec exit export "
        "false fc fg getopts hash help history jobs kill let local logout mapfile popd printf "
        "pushd pwd read readarray readonly return set shift shopt source suspend test times trap "
        "true type typeset ulimit umask unalias unset wait"
    ).split()
)


class OracleUnavailable(RuntimeError):
    """The isolation, a shell or the compiler that the oracle needs is missing."""


@dataclass(frozen=True)
class Call:
    """One start of an external command."""

    argv: Argv
    cwd: str = START
    env: tuple[tuple[str, str], ...] = ()
    fds: tuple[str, ...] = ("0=null", "1=out", "2=err")
    umask: int = 0o022
    stdin: str = ""
    background: bool = False


@dataclass(frozen=True)
class Outcome:
    """What one execution of a list of RUN scripts did."""

    calls: tuple[Call, ...]
    status: int
    output: str = ""
    files: tuple[tuple[str, int, str], ...] = ()


@dataclass(frozen=True)
class World:
    """What exists in the isolated root before a script runs."""

    programs: frozenset[str] = frozenset()
    directories: frozenset[str] = frozenset()
    files: frozenset[str] = frozenset()
    silent: bool = False
    name: str = "all present"


def identity(call: Call) -> Call | None:
    """Ignores nothing."""
    return call


# ---- reading scripts: over-approximations, harmless when wrong ----

_NAME: Final = re.compile(r"(?<![\w./+-])[A-Za-z0-9_][\w.+-]*(?![\w/+-])")
_PATH: Final = r"""["']?([\w.+/-]*[\w+-])"""
_COMMAND_POSITION: Final = (
    r"(?:^|[;&|({\n!`]|\b(?:then|do|else|elif|if|while|until|exec|time|command)\b)\s*"
    r"(?:\w+=\S*\s+)*"
)
_PATH_COMMAND: Final = re.compile(_COMMAND_POSITION + r"""["']?([\w.+-]*/[\w.+/-]*[\w+-])""")
_SOURCED: Final = re.compile(_COMMAND_POSITION + r"(?:\.|source)\s+" + _PATH)
_ENTERED: Final = re.compile(r"\b(?:cd|chdir|pushd)\s+(?:-[-LPe]+\s+)*" + _PATH)
_WRITTEN: Final = re.compile(r"(?:>>?\|?|&>)\s*" + _PATH)
_READ: Final = re.compile(r"(?<!<)<\s*" + _PATH)
_TESTED: Final = re.compile(r"\s-([defrsw])\s+" + _PATH)
_PROBED: Final = re.compile(r"\b(?:command\s+-[vV]|type|hash|which)\s+(?:-\w+\s+)*([\w.+-]+)")
_TALKATIVE: Final = re.compile(r"\$\(|`|<\(|\|\s*(?:while|until|read|for|if|\{|\()")


def programs_of(scripts: Iterable[str]) -> set[str]:
    """Returns every word that could be the name of an external command."""
    found: set[str] = set()
    for script in scripts:
        paths = set(_PATH_COMMAND.findall(script)) - set(_WRITTEN.findall(script))
        # The shell must not read a stub as its own text.
        found |= (set(_NAME.findall(script)) | paths) - set(_SOURCED.findall(script))
    return {name for name in found if name not in BUILTINS and name.strip("./")}


def worlds_of(scripts: Sequence[str]) -> tuple[World, ...]:
    """Returns the worlds in which the scripts can take different ways."""
    text = "\n".join(scripts)
    tested = _TESTED.findall(text)
    entered = set(_ENTERED.findall(text)) | {path for kind, path in tested if kind == "d"}
    read = set(_READ.findall(text)) | {path for kind, path in tested if kind != "d"}
    files = read | set(_SOURCED.findall(text))
    parents = {str(PurePosixPath(path).parent) for path in _WRITTEN.findall(text)} | {
        str(PurePosixPath(path).parent) for path in files
    }
    programs, probed = programs_of(scripts), set(_PROBED.findall(text))
    everything = World(
        frozenset(programs), frozenset((entered | parents) - {"."}), frozenset(files)
    )
    worlds = [everything]
    if entered or files or parents - {"."} or probed & programs:
        worlds.append(World(frozenset(programs - probed), name=NOTHING))
    if _TALKATIVE.search(text):
        worlds.append(replace(everything, silent=True, name="silent commands"))
    return tuple(worlds)


# ---- the C side: what both programs share, the stub, the worker ----

_LAYOUT_C: Final = r"""
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    PROC_FD = 873, CONTROL_FD = 874, CONTROL_SIZE = 2 << 20, LOG_START = 1 << 20,
    SLOTS = 4096, REPEAT_LIMIT = 50, CALL_LIMIT = 1000,
};

struct control {
    uint64_t out_inode, err_inode;
    uint32_t silent, entries, calls, overrun, used;
    uint32_t repeats[SLOTS];
    char table[];
};
"""

_STUB_C: Final = r"""
#include <sys/syscall.h>
#include <time.h>

/* Without a C library a call costs a third: its start-up asks the processor for its features,
   which traps in a virtual machine. */
#if defined FREESTANDING && !defined __x86_64__
#error only for x86-64
#endif
#ifdef FREESTANDING
static long kernel(long number, long a, long b, long c, long d, long e, long f) {
    register long r10 __asm__("r10") = d, r8 __asm__("r8") = e, r9 __asm__("r9") = f;
    __asm__ volatile("syscall" : "+a"(number)
                     : "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
                     : "rcx", "r11", "memory");
    return number;
}

__asm__(".globl _start\n_start:\n mov %rsp, %rdi\n and $-16, %rsp\n call begin\n");

size_t strlen(const char *text) {
    size_t size = 0;
    while (text[size]) size++;
    return size;
}

void *memcpy(void *to, const void *from, size_t size) {
    for (size_t i = 0; i < size; i++) ((char *)to)[i] = ((const char *)from)[i];
    return to;
}

int memcmp(const void *one, const void *other, size_t size) {
    for (size_t i = 0; i < size; i++)
        if (((const char *)one)[i] != ((const char *)other)[i]) return 1;
    return 0;
}
#else
#define kernel(number, ...) syscall(number, __VA_ARGS__)
#endif

static char record[256 << 10], key[256 << 10];
static size_t used = sizeof(uint32_t);
static uint32_t key_size;
static struct control *control;

static void put(const char *data, size_t size) {
    if (used + size + 1 > sizeof record) size = sizeof record - used - 1;
    memcpy(record + used, data, size);
    used += size;
    record[used++] = 0;
}

static void put_text(const char *text) { put(text, strlen(text)); }

static void put_number(unsigned number) {
    char digits[16];
    size_t at = sizeof digits;
    do digits[--at] = (char)('0' + number % 10); while (number /= 10);
    put(digits + at, sizeof digits - at);
}

static void put_list(char **list, unsigned count) {
    put_number(count);
    for (unsigned i = 0; i < count; i++) put_text(list[i]);
}

static int ignores(int number) {
    long action[8] = {0};
    kernel(SYS_rt_sigaction, number, 0, (long)action, 8, 0, 0);
    return action[0] == (long)SIG_IGN;
}

static void ignore(int number) {
    long action[8] = {(long)SIG_IGN};
    kernel(SYS_rt_sigaction, number, (long)action, 0, 8, 0, 0);
}

static int has_status(int fd, struct stat *status) {
    return kernel(SYS_fstat, fd, (long)status, 0, 0, 0, 0) == 0;
}

static int starts(const char *text, const char *prefix) {
    while (*prefix && *text == *prefix) text++, prefix++;
    return !*prefix;
}

static const char *kind_of(const struct stat *status, const char *target) {
    if (S_ISFIFO(status->st_mode)) {
        if (status->st_ino == control->out_inode) return "out";
        return status->st_ino == control->err_inode ? "err" : "pipe";
    }
    if (starts(target, "/dev/null")) return "null";
    /* bash keeps a long here-document in a file with a random name. */
    return starts(target, "/tmp/sh-thd") ? "pipe" : target;
}

static void put_descriptors(void) {
    static char name[2], text[4096] = "0=";
    long flags = O_PATH | O_CLOEXEC, links;
    struct stat status;
    unsigned opened = 0;
    for (int fd = 0; fd < 10; fd++) opened += (unsigned)has_status(fd, &status);
    put_number(opened);
    links = kernel(SYS_openat, AT_FDCWD, (long)"/proc/self/fd", flags, 0, 0, 0);
    if (links < 0) links = kernel(SYS_openat, PROC_FD, (long)"self/fd", flags, 0, 0, 0);
    for (int fd = 0; fd < 10; fd++) {
        if (fd == links || !has_status(fd, &status)) continue;
        char target[4000];
        name[0] = text[0] = (char)('0' + fd);
        long size = kernel(SYS_readlinkat, links, (long)name, (long)target, 3999, 0, 0);
        target[size < 0 ? 0 : size] = 0;
        const char *kind = kind_of(&status, target);
        memcpy(text + 2, kind, strlen(kind) + 1);
        put_text(text);
    }
    kernel(SYS_close, links, 0, 0, 0, 0, 0);
}

/* A left side of a pipe has logged itself when the pipe has no writer left: wait for that, so
   that the order of the log is the order of the pipeline; what the pipe holds is only copied. */
static long waited_input(char *data, size_t room) {
    struct timespec most = {0, 300000000};
    struct pollfd hangup = {0, 0, 0};
    int copy[2];
    kernel(SYS_ppoll, (long)&hangup, 1, (long)&most, 0, 0, 0);
    if (kernel(SYS_pipe2, (long)copy, O_CLOEXEC, 0, 0, 0, 0)) return 0;
    long size = kernel(SYS_tee, 0, copy[1], (long)room, SPLICE_F_NONBLOCK, 0, 0);
    if (size > 0) size = kernel(SYS_read, copy[0], (long)data, (long)room, 0, 0, 0);
    kernel(SYS_close, copy[0], 0, 0, 0, 0, 0);
    kernel(SYS_close, copy[1], 0, 0, 0, 0, 0);
    return size;
}

static void put_stdin(void) {
    char data[4096];
    long size = 0;
    struct stat status;
    if (has_status(0, &status) && S_ISFIFO(status.st_mode))
        size = waited_input(data, sizeof data);
    else if (has_status(0, &status) && S_ISREG(status.st_mode))
        size = kernel(SYS_pread64, 0, (long)data, sizeof data, 0, 0, 0);
    for (long i = 0; i < size; i++)
        if (!data[i]) data[i] = '?';
    put(data, size > 0 ? (size_t)size : 0);
}

static void append(void) {
    uint32_t size = (uint32_t)used;
    memcpy(record, &size, sizeof size);
    uint32_t at = __atomic_fetch_add(&control->used, size, __ATOMIC_SEQ_CST);
    uint32_t calls = __atomic_add_fetch(&control->calls, 1, __ATOMIC_SEQ_CST);
    if (calls <= CALL_LIMIT && at + size <= CONTROL_SIZE - LOG_START) {
        memcpy((char *)control + LOG_START + at, record, size);
        return;
    }
    control->overrun = 1;
    for (;;) kernel(SYS_ppoll, 0, 0, 0, 0, 0, 0);
}

/* An entry: status, size of the key, size of the answer, key, answer. */
static const char *entry_of(int argc, char **argv) {
    size_t size = 0;
    for (int i = 0; i < argc; i++) {
        size_t length = strlen(argv[i]) + 1;
        if (size + length > sizeof key) break;
        memcpy(key + size, argv[i], length);
        size += length;
    }
    key_size = (uint32_t)size;
    const char *entry = control->table;
    for (uint32_t i = 0; i < control->entries; i++) {
        uint32_t head[3];
        memcpy(head, entry, sizeof head);
        if (head[1] == size && !memcmp(entry + sizeof head, key, size)) return entry;
        entry += sizeof head + head[1] + head[2];
    }
    return NULL;
}

/* The same command often enough in one execution is a loop that waits for the other answer. */
static int status_of(const uint32_t *head) {
    uint32_t hash = 2166136261u;
    for (uint32_t i = 0; i < key_size; i++) hash = (hash ^ (unsigned char)key[i]) * 16777619u;
    uint32_t *repeats = &control->repeats[hash % SLOTS];
    if (__atomic_add_fetch(repeats, 1, __ATOMIC_SEQ_CST) > REPEAT_LIMIT) return !head[0];
    return (int)head[0];
}

static void speak(const char *path, const char *answer) {
    struct stat status;
    const char *name = path;
    if (control->silent || !has_status(1, &status)) return;
    int base = status.st_ino == control->out_inode || status.st_ino == control->err_inode;
    if (base && S_ISFIFO(status.st_mode)) return;
    for (; *path; path++)
        if (*path == '/') name = path + 1;
    used = 0;
    put_text(*answer ? answer : name);
    used--;
    put_text(*answer ? "\n" : "-output\n");
    kernel(SYS_write, 1, (long)record, (long)used - 1, 0, 0, 0);
}

static int call(int argc, char **argv) {
    char **envp = argv + argc + 1;
    static char directory[4096] = "?";
    control = (void *)kernel(SYS_mmap, 0, CONTROL_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED,
                             CONTROL_FD, 0);
    if ((unsigned long)control > -4096UL) return 125;
    put_number((unsigned)(ignores(SIGINT) && ignores(SIGQUIT)));
    ignore(SIGPIPE);
    long mask = kernel(SYS_umask, 0, 0, 0, 0, 0, 0);
    kernel(SYS_umask, mask, 0, 0, 0, 0, 0);
    put_number((unsigned)mask);
    kernel(SYS_getcwd, (long)directory, sizeof directory, 0, 0, 0, 0);
    put_text(directory);
    put_list(argv, (unsigned)argc);
    unsigned variables = 0;
    while (envp[variables]) variables++;
    put_list(envp, variables);
    put_descriptors();
    put_stdin();
    append();
    const char *entry = entry_of(argc, argv);
    uint32_t head[3] = {0, 0, 0};
    if (entry) memcpy(head, entry, sizeof head);
    speak(argv[0], head[2] ? entry + sizeof head + head[1] : "");
    return status_of(head);
}

#ifdef FREESTANDING
void begin(long *stack) {
    kernel(SYS_exit_group, call((int)stack[0], (char **)(stack + 1)), 0, 0, 0, 0, 0);
}
#else
int main(int argc, char **argv) { return call(argc, argv); }
#endif
"""

_WORKER_C: Final = r"""
#include <dirent.h>
#include <ftw.h>
#include <grp.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <stddef.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <time.h>

enum { OUTPUT_LIMIT = 64 << 10, WALL_SECONDS = 5, GRACE_SECONDS = 1, CPU_SECONDS = 2 };

struct text { char *data; size_t used, room; };

static struct control *control;
static int request_fd, answer_fd, null_fd, signal_fd, last_pid_fd = -1;
static int owns_pids, owns_mounts;
static uid_t sandbox;
static struct text made, sources, answer;

static void die(const char *what) {
    fprintf(stderr, "%s: %s\n", what, strerror(errno));
    exit(111);
}

static void put(struct text *text, const void *data, size_t size) {
    if (text->used + size > text->room) {
        text->room = (text->used + size) * 2;
        text->data = realloc(text->data, text->room);
        if (!text->data) die("memory");
    }
    memcpy(text->data + text->used, data, size);
    text->used += size;
}

static void put_blob(const void *data, size_t size) {
    uint32_t head = (uint32_t)size;
    put(&answer, &head, sizeof head);
    put(&answer, data, size);
}

static void put_number(long number) {
    char digits[32];
    put_blob(digits, (size_t)sprintf(digits, "%ld", number));
}

static void read_all(void *data, size_t size) {
    for (size_t done = 0; done < size;) {
        ssize_t got = read(request_fd, (char *)data + done, size - done);
        if (got <= 0) exit(0);
        done += (size_t)got;
    }
}

static void send_answer(void) {
    uint32_t head = (uint32_t)answer.used;
    if (write(answer_fd, &head, sizeof head) != sizeof head) exit(0);
    for (size_t done = 0; done < answer.used;) {
        ssize_t sent = write(answer_fd, answer.data + done, answer.used - done);
        if (sent <= 0) exit(0);
        done += (size_t)sent;
    }
    answer.used = 0;
}

static char *next_text(char **cursor) {
    char *text = *cursor;
    *cursor += strlen(text) + 1;
    return text;
}

static unsigned next_number(char **cursor) {
    return (unsigned)strtoul(next_text(cursor), NULL, 10);
}

static char **next_list(char **cursor, unsigned before, unsigned after) {
    unsigned count = next_number(cursor);
    char **list = calloc(before + count + after + 1, sizeof *list);
    if (!list) die("memory");
    for (unsigned i = 0; i < count; i++) list[before + i] = next_text(cursor);
    return list;
}

/* ---- the isolated root ---- */

static void remember(const char *path) { put(&made, path, strlen(path) + 1); }

static void make_directories(char *path, int with_last) {
    for (char *at = path + 1; *at; at++) {
        if (*at != '/') continue;
        *at = 0;
        if (mkdir(path, 0777) == 0) remember(path);
        *at = '/';
    }
    if (with_last && mkdir(path, 0777) == 0) remember(path);
}

static void copy_file(const char *source, char *target) {
    static char block[1 << 16];
    make_directories(target, 0);
    int from = open(source, O_RDONLY | O_CLOEXEC);
    int to = open(target, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0755);
    if (from < 0 || to < 0) die(source);
    for (ssize_t got; (got = read(from, block, sizeof block)) > 0;)
        if (write(to, block, (size_t)got) != got) die(target);
    if (fchmod(to, 0755)) die(target);
    close(from);
    close(to);
}

static void make_devices(void) {
    if (mkdir("dev", 0755)) die("dev");
    if (mknod("dev/null", S_IFCHR | 0666, makedev(1, 3))) die("cannot make /dev/null");
    if (symlink("/proc/self/fd", "dev/fd") || symlink("/proc/self/fd/0", "dev/stdin")
        || symlink("/proc/self/fd/1", "dev/stdout") || symlink("/proc/self/fd/2", "dev/stderr"))
        die("dev");
}

static void enter_root(char *root, char **copies) {
    int proc_fd = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (owns_pids) last_pid_fd = open("/proc/sys/kernel/ns_last_pid", O_WRONLY | O_CLOEXEC);
    if (owns_mounts && mount("oracle", root, "tmpfs", MS_NOSUID, "size=64m,nr_inodes=50000"))
        owns_mounts = 0;
    if (chdir(root) || chmod(".", 0777) || mkdir(".oracle", 0755)) die(root);
    for (; copies[0]; copies += 2) copy_file(copies[0], copies[1]);
    make_devices();
    unsigned long flags = MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC;
    int proc = mkdir("proc", 0555) == 0 && owns_mounts && owns_pids
        && mount("proc", "proc", "proc", flags, NULL) == 0;
    if (chroot(".") || chdir("/")) die("chroot");
    null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (null_fd < 0) die("cannot open /dev/null in the isolated root");
    if (!proc && dup2(proc_fd, PROC_FD) < 0) die("no /proc");
    made.used = 0;
}

static int remove_entry(const char *path, const struct stat *info, int kind, struct FTW *at) {
    (void)info, (void)kind, (void)at;
    return remove(path);
}

/* ---- a world: directories, stubs, readable files ---- */

static void forget_world(void) {
    size_t end = made.used;
    while (end) {
        size_t start = end - 1;
        while (start && made.data[start - 1]) start--;
        remove(made.data + start);
        end = start;
    }
    made.used = 0;
}

static void prepare(char *cursor) {
    forget_world();
    for (unsigned left = next_number(&cursor); left; left--)
        make_directories(next_text(&cursor), 1);
    for (unsigned left = next_number(&cursor); left; left--) {
        char *path = next_text(&cursor);
        make_directories(path, 0);
        if (link("/.oracle/stub", path) == 0) remember(path);
    }
    sources.used = 0;
    for (unsigned left = 2 * next_number(&cursor); left; left--) {
        char *field = next_text(&cursor);
        if (left % 2 == 0) make_directories(field, 0);
        put(&sources, field, strlen(field) + 1);
    }
    put_blob("ok", 2);
}

static void write_sources(void) {
    for (char *at = sources.data; at < sources.data + sources.used;) {
        const char *path = next_text(&at), *content = next_text(&at);
        int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
        if (fd < 0) continue;
        if (write(fd, content, strlen(content)) < 0 || fchown(fd, sandbox, sandbox)) die(path);
        close(fd);
    }
}

static void collect_file(int directory, const char *name, const char *path, mode_t mode) {
    static char data[OUTPUT_LIMIT];
    int fd = openat(directory, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    ssize_t size = fd < 0 ? 0 : read(fd, data, sizeof data);
    if (fd >= 0) close(fd);
    unlinkat(directory, name, 0);
    put_blob(path, strlen(path));
    put_number(mode & 07777);
    put_blob(data, size > 0 ? (size_t)size : 0);
}

/* Only what a script itself wrote belongs to the sandbox user. */
static void collect_files(int fd, const char *path, int depth) {
    DIR *directory = fdopendir(fd);
    for (struct dirent *entry; directory && (entry = readdir(directory));) {
        char full[4096 + 256];
        struct stat info;
        const char *name = entry->d_name;
        if (!strcmp(name, ".") || !strcmp(name, "..")) continue;
        if (!depth && (!strcmp(name, "proc") || !strcmp(name, "dev") || !strcmp(name, ".oracle")))
            continue;
        if (fstatat(fd, name, &info, AT_SYMLINK_NOFOLLOW)) continue;
        if (snprintf(full, sizeof full, "%s/%s", path, name) >= 4096) continue;
        if (S_ISDIR(info.st_mode)) {
            int below = openat(fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
            if (below >= 0) collect_files(below, full, depth + 1);
        } else if (info.st_uid == sandbox) {
            collect_file(fd, name, full, info.st_mode);
        }
    }
    if (directory) closedir(directory); else close(fd);
}

/* ---- one script ---- */

static void limit(int resource, rlim_t value) {
    struct rlimit both = {value, value};
    if (setrlimit(resource, &both)) _exit(125);
}

static void forbid_sockets(void) {
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_socket, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EACCES),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog program = {sizeof code / sizeof *code, code};
    int refused = prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
        || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program);
    if (refused && !owns_pids) _exit(125);
}

static void become_sandbox(void) {
    limit(RLIMIT_CPU, CPU_SECONDS);
    limit(RLIMIT_FSIZE, 1 << 20);
    limit(RLIMIT_AS, 512 << 20);
    limit(RLIMIT_CORE, 0);
    limit(RLIMIT_NPROC, 128);
    limit(RLIMIT_NOFILE, 1024);
    if (setgroups(0, NULL) || setresgid(sandbox, sandbox, sandbox)
        || setresuid(sandbox, sandbox, sandbox))
        _exit(125);
    forbid_sockets();
}

static void execute(const char *path, char **argv, char **envp, const char *start,
                    const int *out, const int *err) {
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    setsid();
    if (dup2(null_fd, 0) < 0 || dup2(out[1], 1) < 0 || dup2(err[1], 2) < 0) _exit(125);
    if (chdir(start)) _exit(125);
    become_sandbox();
    umask(022);
    execve(path, argv, envp);
    _exit(125);
}

static void kill_all(void) {
    if (owns_pids && getpid() == 1) {
        kill(-1, SIGKILL);
    } else if (fork() == 0) {
        if (setresuid(sandbox, sandbox, sandbox) == 0) kill(-1, SIGKILL);
        _exit(0);
    }
}

static void drain(struct pollfd *source, struct text *text) {
    static char data[1 << 16];
    for (int rounds = 0; source->fd >= 0 && rounds < 16; rounds++) {
        ssize_t got = read(source->fd, data, sizeof data);
        if (got < 0) return;
        if (got == 0) source->fd = -1;
        size_t room = OUTPUT_LIMIT - text->used;
        put(text, data, (size_t)got < room ? (size_t)got : room);
    }
}

static double now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + 1e-9 * (double)time.tv_nsec;
}

/* Returns when no process is left, so that nothing of one script acts during the next. */
static int supervise(pid_t shell, struct pollfd *sources_, struct text *out, struct text *err) {
    int status = 0, ended = 0, cut = 0;
    double deadline = now() + WALL_SECONDS;
    for (;;) {
        struct signalfd_siginfo ignored;
        poll(sources_, 3, 20);
        drain(&sources_[0], out);
        drain(&sources_[1], err);
        while (read(signal_fd, &ignored, sizeof ignored) > 0) continue;
        pid_t child;
        int state;
        while ((child = waitpid(-1, &state, WNOHANG)) > 0) {
            if (child != shell) continue;
            status = state, ended = 1;
            if (deadline > now() + GRACE_SECONDS) deadline = now() + GRACE_SECONDS;
        }
        if (child < 0) break;
        if (control->overrun || now() > deadline) {
            cut |= control->overrun || !ended;
            kill_all();
        }
    }
    drain(&sources_[0], out);
    drain(&sources_[1], err);
    if (cut || control->overrun || (WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL)) return -1;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static void open_output(int *ends, uint64_t *inode) {
    struct stat info;
    /* The sandbox user must own the pipe to be able to open it again as /dev/stdout. */
    if (pipe2(ends, O_CLOEXEC) || fchown(ends[1], sandbox, sandbox) || fstat(ends[1], &info))
        die("pipe");
    fcntl(ends[0], F_SETFL, O_NONBLOCK);
    *inode = info.st_ino;
}

static int run_script(const char *path, char **argv, char **envp, const char *start) {
    static struct text output, errors;
    int out[2], err[2];
    open_output(out, &control->out_inode);
    open_output(err, &control->err_inode);
    control->used = control->calls = control->overrun = 0;
    output.used = errors.used = 0;
    /* The same $$ and $! every time. */
    if (last_pid_fd >= 0 && pwrite(last_pid_fd, "99", 2, 0) < 0) last_pid_fd = -1;
    pid_t shell = vfork();
    if (shell < 0) die("fork");
    if (shell == 0) execute(path, argv, envp, start, out, err);
    close(out[1]);
    close(err[1]);
    struct pollfd polled[3] = {
        {out[0], POLLIN, 0}, {err[0], POLLIN, 0}, {signal_fd, POLLIN, 0}};
    int status = supervise(shell, polled, &output, &errors);
    close(out[0]);
    close(err[0]);
    size_t logged = control->used, most = CONTROL_SIZE - LOG_START;
    put_number(status);
    put_blob((char *)control + LOG_START, logged < most ? logged : most);
    put_blob(output.data, output.used);
    put_blob(errors.data, errors.used);
    memset((char *)control + LOG_START, 0, logged < most ? logged : most);
    return status;
}

static void load_table(char **cursor) {
    char *at = control->table;
    control->silent = next_number(cursor);
    control->entries = 0;
    memset(control->repeats, 0, sizeof control->repeats);
    for (unsigned left = next_number(cursor); left; left--) {
        uint32_t head[3] = {next_number(cursor), 0, 0};
        const char *answer_text = next_text(cursor);
        unsigned words = next_number(cursor);
        const char *key = *cursor;
        while (words--) next_text(cursor);
        head[1] = (uint32_t)(*cursor - key);
        head[2] = (uint32_t)strlen(answer_text) + 1;
        if (at + sizeof head + head[1] + head[2] > (char *)control + LOG_START) continue;
        memcpy(at, head, sizeof head);
        memcpy(at + sizeof head, key, head[1]);
        memcpy(at + sizeof head + head[1], answer_text, head[2]);
        at += sizeof head + head[1] + head[2];
        control->entries++;
    }
}

static void run_scripts(char *cursor) {
    const char *path = next_text(&cursor), *start = next_text(&cursor);
    char **argv = next_list(&cursor, 0, 1), **envp = next_list(&cursor, 0, 0);
    unsigned last = 0;
    while (argv[last]) last++;
    load_table(&cursor);
    write_sources();
    char **scripts = next_list(&cursor, 0, 0);
    for (unsigned i = 0, status = 0; scripts[i] && !status; i++) {
        argv[last] = scripts[i];
        put_blob("run", 3);
        status = run_script(path, argv, envp, start) != 0;
    }
    put_blob("files", 5);
    collect_files(open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC), "", 0);
    free(argv);
    free(envp);
    free(scripts);
}

static void serve(void) {
    struct text request = {0};
    const char *mode = owns_pids && owns_mounts ? "namespaces" : "chroot";
    put_blob(mode, strlen(mode));
    send_answer();
    for (;;) {
        uint32_t size;
        read_all(&size, sizeof size);
        if (size > request.room) {
            request.room = size;
            request.data = realloc(request.data, size);
            if (!request.data) die("memory");
        }
        read_all(request.data, size);
        char *cursor = request.data;
        if (*next_text(&cursor) == 'P') prepare(cursor); else run_scripts(cursor);
        send_answer();
    }
}

static void open_channels(void) {
    sigset_t child;
    sigemptyset(&child);
    sigaddset(&child, SIGCHLD);
    sigprocmask(SIG_BLOCK, &child, NULL);
    signal_fd = signalfd(-1, &child, SFD_NONBLOCK | SFD_CLOEXEC);
    request_fd = fcntl(0, F_DUPFD_CLOEXEC, 20);
    answer_fd = fcntl(1, F_DUPFD_CLOEXEC, 20);
    int null = open("/dev/null", O_RDWR | O_CLOEXEC), log = memfd_create("control", 0);
    if (signal_fd < 0 || request_fd < 0 || answer_fd < 0 || log < 0) die("descriptors");
    if (dup2(null, 0) < 0 || dup2(null, 1) < 0 || dup2(log, CONTROL_FD) < 0) die("descriptors");
    close(log);
    close(null);
    if (ftruncate(CONTROL_FD, CONTROL_SIZE)) die("memfd");
    control = mmap(NULL, CONTROL_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, CONTROL_FD, 0);
    if (control == MAP_FAILED) die("mmap");
}

static void isolate(int wanted) {
    int spaces = CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS;
    if (!wanted || unshare(spaces)) return;
    owns_pids = 1;
    owns_mounts = mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0;
}

/* Stays outside the root and removes it even when whoever started us was killed. */
static int outlive(pid_t worker, const char *base, const char *root) {
    int status;
    close(0);
    close(1);
    while (waitpid(worker, &status, 0) < 0 && errno == EINTR) continue;
    if (owns_mounts) umount2(root, MNT_DETACH);
    nftw(base, remove_entry, 16, FTW_DEPTH | FTW_PHYS | FTW_MOUNT);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}

/* Waking processes up on another processor costs more than what runs there. */
static void stay_on_one_processor(void) {
    cpu_set_t here;
    int number = sched_getcpu();
    CPU_ZERO(&here);
    if (number < 0) return;
    CPU_SET(number, &here);
    sched_setaffinity(0, sizeof here, &here);
}

int main(int argc, char **argv) {
    if (argc < 6) return 2;
    char *base = argv[1], root[4096];
    snprintf(root, sizeof root, "%s/root", base);
    sandbox = (uid_t)strtoul(argv[2], NULL, 10);
    if (mkdir(root, 0777) || chown(root, sandbox, sandbox) || chown(root, 0, 0)) die(root);
    isolate(*argv[3] == 'n');
    umask(0);
    signal(SIGPIPE, SIG_IGN);
    pid_t worker = fork();
    if (worker < 0) die("fork");
    if (worker) return outlive(worker, base, root);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    struct rlimit files = {1024, 1024};
    setrlimit(RLIMIT_NOFILE, &files);
    stay_on_one_processor();
    open_channels();
    enter_root(root, argv + 4);
    signal(SIGPIPE, SIG_DFL);
    serve();
}
"""


# ---- the programs that run inside and around the isolated root ----

_STATIC: Final = ["-static"]
_FREESTANDING: Final = [
    *("-DFREESTANDING", "-static", "-nostdlib", "-ffreestanding", "-fno-stack-protector"),
    *("-fno-tree-loop-distribute-patterns", "-fno-pie", "-no-pie"),
]


@cache
def _binaries() -> tuple[Path, Path]:
    """Returns the worker and the stub, compiled once a machine."""
    compiler = next(filter(None, map(shutil.which, ("cc", "gcc", "clang"))), None)
    if compiler is None:
        raise OracleUnavailable("a C compiler is needed for the worker and the stub")
    digest = hashlib.sha256(
        "\0".join((_LAYOUT_C, _STUB_C, _WORKER_C, compiler, platform.platform())).encode()
    ).hexdigest()
    folder = _private_folder(Path(tempfile.gettempdir(), f"shell-oracle-{os.geteuid()}"))
    worker, stub = folder / f"worker-{digest[:16]}", folder / f"stub-{digest[:16]}"
    if not worker.exists():
        _compile(compiler, _WORKER_C, worker, [_STATIC, []])
    if not stub.exists():
        _compile(compiler, _STUB_C, stub, [_FREESTANDING, _STATIC, []])
    return worker, stub


def _private_folder(path: Path) -> Path:
    path.mkdir(mode=0o700, exist_ok=True)
    status = path.lstat()
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.geteuid() or status.st_mode & 0o022:
        raise OracleUnavailable(f"{path} belongs to somebody else")
    return path


def _compile(compiler: str, source: str, target: Path, ways: Sequence[Sequence[str]]) -> None:
    with tempfile.TemporaryDirectory(dir=target.parent) as folder:
        text, binary = Path(folder, "source.c"), Path(folder, "binary")
        text.write_text(_LAYOUT_C + source)
        for flags in ways:
            command = [compiler, "-O2", "-w", *flags, "-o", str(binary), str(text)]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            if done.returncode == 0:
                binary.replace(target)
                return
        raise OracleUnavailable(f"{compiler} cannot compile the oracle: {done.stderr}")


def _libraries(program: str) -> set[str]:
    listing = subprocess.run(["ldd", program], capture_output=True, text=True, check=False)
    return set(re.findall(r"(?<!\S)(/\S+)(?= \(0x)", listing.stdout))


def _copies(shells: Mapping[str, str], stub: Path) -> list[str]:
    """Returns pairs of a file and its relative place in the isolated root."""
    places = {path: f".oracle/{name}" for name, path in shells.items()}
    places[str(stub)] = ".oracle/stub"
    for program in tuple(places):
        places.update({path: path.lstrip("/") for path in _libraries(program)})
    return [text for pair in places.items() for text in pair]


def available_shells() -> tuple[str, ...]:
    """Returns the shells of `SHELLS` that this machine has."""
    return tuple(name for name in SHELLS if shutil.which(name))


# ---- one worker process: enters the root once, then forks executions ----


@dataclass(frozen=True)
class _Setup:
    shell: str
    options: tuple[str, ...] = ("-c",)
    env: tuple[tuple[str, str], ...] = tuple(_ENVIRONMENT.items())
    start: str = START


@dataclass(frozen=True)
class _Run:
    status: int
    calls: tuple[Call, ...]
    output: str
    errors: str


@dataclass(frozen=True)
class _Trace:
    runs: tuple[_Run, ...]
    files: tuple[tuple[str, int, str], ...]

    @property
    def status(self) -> int:
        return self.runs[-1].status if self.runs else 0

    @property
    def calls(self) -> Iterator[Call]:
        return (call for run in self.runs for call in run.calls)


class _Worker:
    def __init__(self, isolation: str = "namespaces") -> None:
        if os.geteuid() != 0:
            raise OracleUnavailable("root is needed to run shell text in an isolated root")
        self._shells = {name: shutil.which(name) or "" for name in available_shells()}
        self._prepared: tuple[str, ...] = ()
        self.executions = 0
        self._applets_win: set[str] = set()
        self._lock, self._owner = threading.Lock(), os.getpid()
        worker, stub = _binaries()
        self._base = tempfile.mkdtemp(prefix="shell-oracle-root-")
        # A user id per worker: process limits and signals then reach nobody else.
        user = str(1_500_000_000 + os.getpid() % 100_000_000)
        self._process = subprocess.Popen(
            [worker, self._base, user, isolation, *_copies(self._shells, stub)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
        atexit.register(self.close)
        self.isolation = self._receive()[0].decode()
        for shell in self._shells:
            self._check(shell)

    def close(self) -> str:
        """Ends the worker, which removes its root, and returns what it complained about."""
        atexit.unregister(self.close)
        if os.getpid() != self._owner:
            return ""
        try:
            _, errors = self._process.communicate(timeout=10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            _, errors = self._process.communicate()
        shutil.rmtree(self._base, ignore_errors=True)
        return errors.decode().strip()

    def has_applets_first(self, shell: str) -> bool:
        """Tells whether the shell prefers its own programs, which leave no trace."""
        return shell in self._applets_win

    def execute(
        self, setup: _Setup, world: World, scripts: Sequence[str], table: Mapping[Argv, int]
    ) -> _Trace:
        """Runs the scripts one after another until one fails."""
        if setup.shell not in self._shells:
            raise OracleUnavailable(f"the shell {setup.shell} is not installed")
        layout = _layout(world, setup.start)
        with self._lock:
            if layout != self._prepared:
                self._ask("P", *layout)
                self._prepared = layout
            answer = self._ask("X", *_request(setup, world, scripts, table))
            self.executions += 1
        return _decoded(answer, setup.env)

    def _check(self, shell: str) -> None:
        programs = frozenset({"rm", "stub"})
        trace = self.execute(_Setup(shell), World(programs), ["rm oracle\nstub"], {})
        called = [call.argv for call in trace.calls]
        if called == [("stub",)]:
            self._applets_win.add(shell)
        elif called != [("rm", "oracle"), ("stub",)]:
            self.close()
            raise OracleUnavailable(f"{shell} does not run in the isolated root: {trace}")

    def _ask(self, *texts: str) -> list[bytes]:
        if any("\0" in text for text in texts):
            raise ValueError("a shell text cannot hold NUL")
        payload = "".join(f"{text}\0" for text in texts).encode("utf-8", "surrogateescape")
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(struct.pack("=I", len(payload)) + payload)
            self._process.stdin.flush()
        except BrokenPipeError:
            pass
        return self._receive()

    def _receive(self) -> list[bytes]:
        blob = self._read(struct.unpack("=I", self._read(4))[0])
        return list(_blobs(blob))

    def _read(self, size: int) -> bytes:
        assert self._process.stdout is not None
        data = self._process.stdout.read(size)
        if len(data) < size:
            _worker_of.cache_clear()
            raise OracleUnavailable(f"the isolated worker ended: {self.close()}")
        return data


@cache
def _worker_of(_process: int) -> _Worker:
    return _Worker()


def _worker() -> _Worker:
    # A forked child must not share the pipes of its parent.
    return _worker_of(os.getpid())


def blind_shells() -> set[str]:
    """Returns the shells that prefer their own programs: of those only the status is compared."""
    return {name for name in available_shells() if _worker().has_applets_first(name)}


def executions() -> int:
    """Returns how often this process has executed a list of scripts."""
    return _worker().executions


def _blobs(data: bytes) -> Iterator[bytes]:
    at = 0
    while at < len(data):
        (size,) = struct.unpack_from("=I", data, at)
        yield data[at + 4 : at + 4 + size]
        at += 4 + size


def _counted(texts: Collection[str]) -> list[str]:
    return [str(len(texts)), *texts]


@lru_cache(maxsize=256)
def _layout(world: World, start: str) -> tuple[str, ...]:
    """Returns directories, stubs and readable files as the worker reads them."""
    bases = {start, *(path for path in world.directories if path.startswith("/"))}
    relative = {path for path in world.directories if not path.startswith("/")}
    below = _places(relative, bases)
    directories = {*_SKELETON, start, *bases, *below, *_places(relative, below)}
    named = {f"{_STUBS}/{name}" for name in world.programs if "/" not in name}
    paths = {name for name in world.programs if "/" in name}
    programs = (named | _places(paths, bases | below)) - directories
    files = _places(world.files, bases | below) - directories - programs
    contents = [text for path in sorted(files) for text in (path, _readable(path))]
    made = _counted(sorted(directories)) + _counted(sorted(programs))
    return (*made, str(len(files)), *contents)


def _places(paths: Iterable[str], bases: Iterable[str]) -> set[str]:
    joined = (os.path.normpath(os.path.join(base, path)) for path in paths for base in bases)
    return {"/" + path.lstrip("/") for path, _ in zip(joined, range(500), strict=False)}


def _readable(path: str) -> str:
    # When a script sources the file, every later call shows it.
    return f'ORACLE_READ="$ORACLE_READ {path}"; export ORACLE_READ\n'


def _request(
    setup: _Setup, world: World, scripts: Sequence[str], table: Mapping[Argv, int]
) -> Iterator[str]:
    yield from (f"/.oracle/{setup.shell}", setup.start)
    yield from _counted((_ARGV0[setup.shell], *setup.options))
    yield from _counted([f"{name}={value}" for name, value in setup.env])
    answered = dict.fromkeys([*table, *_ANSWERS])
    yield from ("1" if world.silent else "0", str(len(answered)))
    for argv in answered:
        yield from (str(table.get(argv, 0)), _ANSWERS.get(argv, ""))
        yield from _counted(argv)
    yield from _counted(scripts)


def _text(data: bytes) -> str:
    return data.decode("utf-8", "surrogateescape")


def _decoded(blobs: Sequence[bytes], env: tuple[tuple[str, str], ...]) -> _Trace:
    runs: list[_Run] = []
    at = 0
    while blobs[at] == b"run":
        status, log, output, errors = blobs[at + 1 : at + 5]
        calls = tuple(_call(record, env) for record in _records(log))
        runs.append(_Run(int(status), calls, _text(output), _text(errors)))
        at += 5
    rest = [_text(blob) for blob in blobs[at + 1 :]]
    files = zip(rest[::3], map(int, rest[1::3]), rest[2::3], strict=True)
    return _Trace(tuple(runs), tuple(sorted(files)))


def _records(log: bytes) -> Iterator[bytes]:
    at = 0
    while at + 4 <= len(log):
        (size,) = struct.unpack_from("=I", log, at)
        if size == 0:
            return
        yield log[at + 4 : at + size]
        at += size


@lru_cache(maxsize=4096)
def _call(record: bytes, base: tuple[tuple[str, str], ...]) -> Call:
    parts = iter(_text(record).split("\0"))

    def following() -> tuple[str, ...]:
        return tuple(next(parts) for _ in range(int(next(parts))))

    background, umask, cwd = next(parts) == "1", int(next(parts)), next(parts)
    argv, variables, fds = following(), following(), following()
    env = _changes(dict(text.partition("=")[::2] for text in variables), dict(base))
    return Call(argv, cwd, env, fds, umask, next(parts), background)


def _changes(env: Mapping[str, str], base: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    changed = {name: value for name, value in env.items() if base.get(name) != value}
    changed.update({name: UNSET for name in base if name not in env})
    return tuple(sorted((n, value) for n, value in changed.items() if n not in _UNCOMPARED))


# ---- outcomes ----


def run_all(
    scripts: Sequence[str],
    shell: str,
    statuses: Sequence[int] | Mapping[Argv, int] = (),
    *,
    programs: Collection[str] = (),
    world: World | None = None,
    env: Mapping[str, str] | None = None,
    options: Sequence[str] = ("-c",),
    start: str = START,
) -> Outcome:
    """Runs the scripts as RUNs; `statuses` go by argv, or by order of first appearance."""
    setup = _setup(shell, env, options, start)
    chosen = world or worlds_of(scripts)[0]
    chosen = replace(chosen, programs=chosen.programs | frozenset(programs))
    if isinstance(statuses, Mapping):
        return _outcome(_worker().execute(setup, chosen, scripts, statuses))
    return _outcome(_by_appearance(setup, chosen, scripts, statuses))


def _setup(shell: str, env: Mapping[str, str] | None, options: Sequence[str], start: str) -> _Setup:
    if shell not in _ARGV0:
        raise ValueError(f"unknown shell {shell}")
    return _Setup(shell, tuple(options), tuple({**_ENVIRONMENT, **(env or {})}.items()), start)


def _by_appearance(
    setup: _Setup, world: World, scripts: Sequence[str], statuses: Sequence[int]
) -> _Trace:
    known: dict[Argv, int] = {}
    left = list(statuses)
    while True:
        trace = _worker().execute(setup, world, scripts, known)
        new = next((call.argv for call in trace.calls if call.argv not in known), None)
        if new is None or not left:
            return trace
        known[new] = left.pop(0)


def _outcome(trace: _Trace, ignore: Callable[[Call], Call | None] = identity) -> Outcome:
    calls: list[Call] = []
    for run in trace.runs:
        kept = [call for call in map(ignore, run.calls) if call is not None]
        # Nothing orders a background command against the others.
        calls += [call for call in kept if not call.background]
        calls += sorted((call for call in kept if call.background), key=repr)
    output = "".join(run.output for run in trace.runs)
    # A failed build keeps no files.
    return Outcome(tuple(calls), trace.status, output, () if trace.status else trace.files)


# ---- comparison ----

_SAMPLE: Final = 64
_REPORTED: Final = 2
_RERUNS: Final = 12  # on a loaded machine both ends of a pipe may come in either order
_RESTARTS: Final = 8

_CANNOT_ENTER: Final = re.compile(r"can't cd to ([^\n:]+)|cd: ([^\n:]+): No such file")
_CANNOT_WRITE: Final = re.compile(r"can(?:not|'t) create ([^\n:]+): (?:Directory|nonexistent)")
_CANNOT_FIND: Final = re.compile(r"(?<!\.): ([^\s:]+): (?:command )?not found")
# bash has one message for a missing directory, file and program.
_NO_SUCH_FILE: Final = re.compile(r"line \d+: ([^\n:]+): No such file or directory")


@dataclass
class _Comparison:
    """Two lists of scripts in one shell; statuses belong to what `ignore` leaves of an argv."""

    before: Sequence[str]
    after: Sequence[str]
    setup: _Setup
    world: World
    ignore: Callable[[Call], Call | None]
    identities: dict[Argv, Argv] = field(default_factory=dict)
    codes: dict[Argv, int] = field(default_factory=dict)
    errors: set[str] = field(default_factory=set)
    restarts: int = 0

    def differences(self, max_commands: int) -> list[str]:
        """Follows every distinguishable combination of statuses, fewest failures first."""
        found: list[str] = []
        pending = deque([(frozenset[Argv](), frozenset[Argv]())])
        done, sample = 0, min(_SAMPLE, 2**max_commands)
        while pending and len(found) < _REPORTED:
            failing, decided = pending.popleft()
            difference, consulted = self._look(failing)
            if (world := self._grown()) != self.world:
                return self._restarted(world).differences(max_commands)
            found += difference
            done += 1
            if max_commands < 0:
                return found
            free = [argv for argv in consulted if argv not in decided]
            for index, argv in enumerate(free):
                pending.append((failing | {argv}, decided | set(free[: index + 1])))
            if len(self.codes) > max_commands and done > len(self.codes) + sample:
                return found + self._sampled(sample)
        return found

    def _restarted(self, world: World) -> _Comparison:
        sides = (self.before, self.after)
        return _Comparison(*sides, self.setup, world, self.ignore, restarts=self.restarts + 1)

    def _grown(self) -> World:
        if self.world.name == NOTHING or self.restarts == _RESTARTS:
            return self.world
        return _grown(self.world, self.errors)

    def _sampled(self, count: int) -> list[str]:
        chance = random.Random(0)
        known = tuple(self.codes)
        vectors = [[argv for argv in known if chance.getrandbits(1)] for _ in range(count)]
        found = (self._look(frozenset(failing))[0] for failing in vectors)
        return next((difference for difference in found if difference), [])

    def _look(self, failing: frozenset[Argv]) -> tuple[list[str], tuple[Argv, ...]]:
        before, after = self._observe(self.before, failing), self._observe(self.after, failing)
        argvs = [call.argv for trace in (before, after) for call in trace.calls]
        consulted = tuple(dict.fromkeys(self.identities[a] for a in argvs if a in self.identities))
        if TIMED_OUT in (before.status, after.status):
            return [f"{self._title(failing)}: does not end"], ()
        was, becomes = self._comparable(before), self._comparable(after)
        if was == becomes or self._is_a_race(failing):
            return [], consulted
        return [f"{self._title(failing)}: {_explained(was, becomes)}"], consulted

    def _observe(self, scripts: Sequence[str], failing: frozenset[Argv]) -> _Trace:
        while True:
            table = {
                argv: self.codes[identity]
                for argv, identity in self.identities.items()
                if identity in failing
            }
            trace = _worker().execute(self.setup, self.world, scripts, table)
            self.errors.update(run.errors for run in trace.runs if run.errors)
            # Another spelling of a failing command is only known once it was called.
            if not self._learn(trace.calls) & failing:
                return trace

    def _learn(self, calls: Iterable[Call]) -> set[Argv]:
        learned: set[Argv] = set()
        for call in calls:
            if call.argv in self.identities or (kept := self.ignore(call)) is None:
                continue
            self.identities[call.argv] = kept.argv
            self.codes.setdefault(kept.argv, len(self.codes) % 100 + 1)
            learned.add(kept.argv)
        return learned

    def _comparable(self, trace: _Trace) -> Outcome:
        if _worker().has_applets_first(self.setup.shell):
            return Outcome((), trace.status)
        return _outcome(trace, self.ignore)

    def _is_a_race(self, failing: frozenset[Argv]) -> bool:
        was, becomes = (
            {self._comparable(self._observe(scripts, failing)) for _ in range(_RERUNS)}
            for scripts in (self.before, self.after)
        )
        return not was.isdisjoint(becomes)

    def _title(self, failing: frozenset[Argv]) -> str:
        failures = ", ".join(sorted(" ".join(argv) for argv in failing)) or "nothing"
        return f"{self.setup.shell}, {self.world.name}, failing: {failures}"


def compare(
    before: Sequence[str],
    after: Sequence[str],
    *,
    shells: Sequence[str] = SHELLS,
    max_commands: int = 10,
    ignore: Callable[[Call], Call | None] = identity,
    env: Mapping[str, str] | None = None,
    options: Sequence[str] = ("-c",),
    start: str = START,
) -> list[str]:
    """Returns how the two lists of RUN scripts differ: the first examples a shell, or nothing.

    A call that `ignore` drops always succeeds. With fewer than 0 `max_commands`, every call does.
    """
    worlds = worlds_of([*before, *after])
    found: list[str] = []
    for shell in shells:
        setup = _setup(shell, env, options, start)
        comparisons = (_Comparison(before, after, setup, world, ignore) for world in worlds)
        differences = (comparison.differences(max_commands) for comparison in comparisons)
        found += next(filter(None, differences), [])
    return found


def _grown(world: World, errors: Iterable[str]) -> World:
    """Returns the world with what the shells missed in it."""
    text = "\n".join(errors)
    entered = {path for pair in _CANNOT_ENTER.findall(text) for path in pair if path}
    unclear = set(_NO_SUCH_FILE.findall(text))
    parents = {
        str(PurePosixPath(path).parent) for path in (*_CANNOT_WRITE.findall(text), *unclear)
    } - {".", "/"}
    programs = set(_CANNOT_FIND.findall(text)) - BUILTINS
    programs |= {path for path in unclear if str(PurePosixPath(path).parent) in world.directories}
    return replace(
        world,
        directories=world.directories | entered | parents,
        programs=world.programs | (programs - world.files),
    )


def _explained(was: Outcome, becomes: Outcome) -> str:
    names, new_names = ([" ".join(call.argv) for call in o.calls] for o in (was, becomes))
    if names != new_names:
        return f"called {names}, now calls {new_names}"
    for old, new in zip(was.calls, becomes.calls, strict=True):
        if old != new:
            return f"the call of {' '.join(old.argv)!r}: {_changed_fields(old, new)}"
    return _changed_fields(was, becomes)


def _changed_fields(old: Call | Outcome, new: Call | Outcome) -> str:
    pairs = (
        (entry.name, getattr(old, entry.name), getattr(new, entry.name)) for entry in fields(old)
    )
    return ", ".join(
        f"{name} was {was!r}, becomes {now!r}" for name, was, now in pairs if was != now
    )
