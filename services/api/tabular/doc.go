// Package tabular reads the files that people import: CSV and the first sheet of an .xlsx workbook, into rows of a report.
//
//  1. What a file is follows from its first bytes; its name may only contradict. A zip archive is a workbook, everything else is text.
//     A file that is named .xlsx and is none is refused, because its text would be refused for reasons that puzzle the reader.
//  2. CSV is UTF-8, with or without a byte-order mark, separated by commas. The semicolons of a European Excel are recognised by a header
//     line that has semicolons and no commas.
//  3. Names in the header are read without regard to case, and with spaces or hyphens for underscores. Their order is free. An unknown
//     column is an error: it is a misspelled one more often than a superfluous one, and its values would be lost.
//  4. Cells are trimmed. A row whose cells are all empty is no row: spreadsheets leave many behind.
//  5. Every problem is said with file, line, column and reason, in the order of the file, at most [schema.MaxProblems] of them. No reason ever
//     repeats a cell, because cells may hold personal data: it says what would be right.
//  6. Cells of a workbook are read as they are displayed, so that the line item 1 is "1", and not "1.0".
package tabular
