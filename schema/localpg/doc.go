//go:build unix

// Package localpg runs a private PostgreSQL from the binaries of this machine: for demo, for serve without a
// named database, and for tests. It needs no network, no container and no configuration, works for root and for
// other users, and leaves no files or processes.
//
// [Find] locates the binaries and [Start] runs a server on a directory. The server listens only on a unix
// socket, in a directory that only this user can enter, or the user as whom root runs the server.
//
//  1. Start runs postgres itself, not pg_ctl, which would put a daemon between the two. The server is a child of
//     this process, which therefore learns of its end. On Linux the server receives a signal for a fast shutdown
//     when this process ends. The kernel sends it when the thread that started the child ends, so that thread is
//     kept until the child has ended.
//  2. The server has a process group of its own: Ctrl-C in a terminal reaches this process only, which stops the
//     server after it has drained.
//  3. PostgreSQL refuses to run as root. Root runs it as the owner of an existing cluster, else as [Options.User],
//     else as postgres, else as a uid that no user has and no process runs as, because other processes of a shared
//     user such as nobody could read and change the data. The server needs no user name, but initdb and
//     single-user mode do. They run as nobody, daemon or bin, the first that runs no process, and the new cluster
//     gets its owner before the server starts.
//  4. A command is run to find out if that user can enter a directory; mode bits are not interpreted. If it
//     cannot, as below /root, the cluster is made in /var/lib/pdeflow, and data in the named directory is a
//     symbolic link to it. Moving the directory moves the link, and deleting the directory does not delete the
//     cluster.
//  5. A cluster is made under another name and renamed when it is complete. One that was interrupted is made again
//     and never used.
//  6. Socket paths must be short, so sockets are in a directory under /tmp, which also contains a temporary
//     cluster. This process locks the directory (package dirlock). When its owner is gone, the next start by the
//     same user removes it, and first ends a server that still runs, as happens without a parent-death signal.
//  7. Dynamic shared memory is mapped from files in the cluster. In many containers /dev/shm has 64 MB, and
//     nothing would remove the files that a killed server leaves there.
//  8. The server inherits only a few environment variables. If root runs it, its user could read the keys in the
//     environment of this process, and PGPORT and similar variables would change its settings.
//  9. The server's log goes to [Options.Logger]. It contains no statements and no rows, because these have
//     customers' data.
//
// A cluster that another version made is refused with both versions in the error. Nothing is upgraded
// automatically.
package localpg
