// Package schema is what is stored: the rows, the typed values in them with their transitions, and all SQL, one file a noun.
//
// It is the vocabulary of the project and imports nothing else of it. SQL stands in plain functions over [bun.IDB] that are named for
// the question they answer; the caller owns the transaction.
package schema
