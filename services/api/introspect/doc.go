// Package introspect reads the schema of a live database: its tables, views, columns, types, comments and keys.
// [Parse] checks a URL, and [Read] returns what the user of the URL may see.
//
//  1. The contents of tables are never read. Every query reads the catalog only, and runs in a transaction that
//     is read-only from its first statement, except in SQL Server (see decision 8). For PostgreSQL the transaction
//     is read-only, and not the session (default_transaction_read_only): with a pooler in transaction mode, a
//     setting of the session would remain for the next client of the connection. For MySQL and MariaDB both are.
//  2. The least privileges do not allow reading a row either. In PostgreSQL, whose catalog is public, they are
//     CONNECT and USAGE on the schemas. A schema without USAGE is left out, so that an administrator decides what
//     is read. MySQL and MariaDB show a column to users with a privilege on it, of which REFERENCES allows the
//     least. For SQL Server it is VIEW DEFINITION, by its documentation.
//  3. A connection uses nothing of this process: no environment (PGPASSWORD), no password or service file, no
//     client certificate, no Unix socket. Otherwise a user of the API could send the credentials of the server to
//     a host of their choice, or log in to a database that trusts the account of the server. A URL therefore
//     needs a host, a user and a database, and takes no parameter but sslmode. A password in clear text is sent
//     over TLS only.
//  4. Without sslmode, TLS is used if the database offers it (SQL Server: required), and its certificate is not
//     verified, as with psql. verify-full is the only mode that detects another server in the middle.
//  5. Times are bounded: 10 seconds to connect and log in, 30 seconds for a statement, which the database enforces
//     (SQL Server: for all statements together, by the driver), and two minutes in all. At most [MaxColumns] columns
//     and 256 MiB of text are read.
//  6. An [Error] is a sentence for the user, composed here: the mistake and the remedy. The texts of drivers and
//     of databases are not passed on, except for unknown errors. The password is removed from these, because a
//     malicious server could send it back. An error wraps none of the driver, which may contain the connection.
//  7. A [Connection] has a pointer to its password and methods that print the rest, so that no log line,
//     error or response contains it by accident. [Sealer] encrypts it for storage with AES-256-GCM. The key is
//     derived by HKDF from the secret of the installation, which every api process has: that in its data
//     directory, or PDEFLOW_AUTH_SECRET. So a copy of the database alone does not contain a password. The URL and
//     the certificates are authenticated with it: a changed row cannot redirect the password to another host. If
//     the secret has changed, the password cannot be decrypted, and has to be sent once more.
//  8. SQL Server is read with the standard's INFORMATION_SCHEMA, and with no query of its own but for its version. No
//     SQL Server was at hand: the tests run these queries in PostgreSQL and MariaDB, compare the result with that of
//     their own catalogs, and run the driver against a small server of the protocol (tds_test.go). There are no
//     comments, which are in sys.extended_properties, and of foreign keys only those of one column. Transactions
//     cannot be read-only; the connection declares the intent, and the queries are the five of the tests. The server
//     has no limit for a statement: the driver cancels it, and a lock is waited for no longer. TLS is always required,
//     because the password is readable without it.
//  9. Other databases are refused with the formats that work instead. A driver for Oracle cannot be tested in this way:
//     Oracle has no INFORMATION_SCHEMA, and untested queries against a bank's database are worse than a file.
package introspect
