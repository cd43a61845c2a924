//go:build unix

// Package localpg runs a private PostgreSQL from the binaries that the machine has: for demo, for serve where no database is named, and
// for tests. It needs no network, no container and no configuration, works for root and for everybody else, and leaves nothing behind.
//
// [Find] looks for the binaries and [Start] runs a server on a directory. Its only door is a unix socket in a directory that nobody
// but this user, or the user whom root has it run as, can enter.
//
//  1. The program started is postgres itself, not pg_ctl, which would put a daemon between it and us. So it is our child: we learn of
//     its death, and on Linux it learns of ours, by a signal that asks for a fast shutdown. That signal is bound to the thread that
//     started the child, so this thread belongs to the child until it has ended.
//  2. It has a process group of its own: Ctrl-C in a terminal is for us, and the database goes when we have drained.
//  3. PostgreSQL refuses root. Root has it run as the owner of the cluster where there is one already, else as [Options.User], else as
//     postgres, else as a uid that no user has and no process runs as: what else runs as nobody could read and change the data. The
//     server needs no user name, but initdb and single-user mode do. They run as nobody, daemon or bin, whichever runs no other process
//     at that time, and the new cluster is handed over before the server starts.
//  4. Whether that user can enter a directory is tried, not computed from mode bits. Where it cannot, as below /root, the cluster is
//     made in /var/lib/pdeflow, and "data" in the directory asked for is a symbolic link to it. Everything that follows links sees one
//     cluster in one place; moving the directory moves the link; deleting the directory never deletes a database by inference.
//  5. A cluster is made under another name and renamed when it is whole, so one that was cut off is made again and never used.
//  6. Sockets need short paths, so they lie in a directory under /tmp, together with a whole cluster that is temporary. The directory
//     is locked by this process (package dirlock); the next start of anybody of this user sweeps it when its owner is gone, and first
//     ends a server that outlived its owner, which happens where the kernel has no parent-death signal.
//  7. Dynamic shared memory is mapped from files in the cluster. /dev/shm is 64 MB in many containers, and what a killed server leaves
//     there nothing would sweep.
//  8. The server inherits a handful of environment variables and no more: as root it runs as another user, to whom the keys in our
//     environment would be readable, and PGPORT and its like would change what it does.
//  9. Its log goes to our logger. It never carries statements or rows: these hold customers' data.
//
// A version other than the one that made the cluster is refused by name; nothing is upgraded behind anybody's back.
package localpg
