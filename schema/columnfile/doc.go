// Package columnfile reads the columns of databases from files of other programs: SQL scripts with CREATE TABLE, the
// manifest.json and schema.yml of dbt, and CSV exports of OpenMetadata. It also reads the tables of package tabular, so
// that [Read] takes every file of columns.
//
//  1. The name of a file decides its format, and its content if the name does not. An export of OpenMetadata is
//     recognised by its header.
//  2. SQL is read by a scanner of its own, because a parser of each of the four dialects would be larger than the rest
//     of the program. It reads CREATE TABLE, the keys that ALTER TABLE adds, the comments of columns, and what sets the
//     current schema, and skips every other statement. What it cannot read inside of CREATE TABLE is a problem with its
//     line; it never guesses. The statements of SQL Server need no semicolons, and so each CREATE outside of
//     parentheses begins one there, except in procedures, functions and triggers, which are skipped up to GO. What a
//     script creates by EXEC of a text is not read. A column has the first foreign key that names it, as in a database
//     that is read.
//  3. Temporary tables and partitions are not read. The columns of a partition are those of its table.
//  4. A table without a schema is in the current schema of the script (USE, SET search_path, CURRENT_SCHEMA), else in
//     dbo for SQL Server and public for PostgreSQL, else in the schema with the name of the data source.
//  5. As for tables, everything is read before anything is refused, and a problem names the file and the line. A reason
//     repeats names, which are no values, and nothing else.
package columnfile
