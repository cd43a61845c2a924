// Package tabular reads the tables of an import, CSV files and .xlsx workbooks, into rows of a report. It reads files
// of labels in the same way. It also writes tables, row by row.
//
//  1. The first bytes of a file decide its format; the name of the file may only contradict it. A zip archive is
//     a workbook, everything else is text. A file that is named .xlsx and is not a workbook is refused: reading
//     it as text would report errors that confuse the user.
//  2. CSV is UTF-8, with or without byte-order marks, separated by commas or semicolons, or by a tab or | that a
//     first line names. The separator is the one in a first line "sep=;", else the one that yields more known
//     column names. In a file without line feeds, carriage returns end the lines.
//  3. Column names in the header are matched without regard to case; spaces, hyphens and line breaks count as
//     underscores, and a remark in parentheses after the name is ignored. Columns can be in any order. An unknown
//     column is an error: it is more often misspelled than superfluous, and its values would be lost.
//  4. The header is the first line among the top 20 that is a valid header, so that a title above it is skipped.
//     Every visible sheet of a workbook with the same columns as the first valid one is read. The result lists
//     the sheets that were read, the sheets that were not, and the line of the header. Hidden sheets are never
//     read.
//  5. A row whose cells are all empty is skipped, because spreadsheets write many of them after the data.
//  6. Cells are trimmed. Names and codes have one line: a line break in them becomes a space, and so does a
//     no-break space. Zero-width joiners are kept between letters of the scripts that need them and refused
//     elsewhere, where they would make different names look the same. In the columns that identify a row, dashes,
//     "N/A", "n.a.", "NA" and "null" count as empty.
//  7. A workbook is read as a spreadsheet program displays it, so that the line item 1 is "1" and not "1.0".
//     Values that the workbook does not contain are refused by cell: formulas without a stored value, errors,
//     merged cells, and, in codes, dates, exponents and more than 15 digits. The value of a formula counts as not
//     stored if the workbook asks to be calculated when it is opened, because libraries then store zeros.
//  8. Every problem has file, line (or cell), column and reason, in the order of the file. At most
//     [schema.MaxProblems] are listed and the others are counted. A reason never repeats a value, because values
//     may be personal data; it repeats an unknown name in a header only if it looks like a name.
//  9. Memory is bounded before it is allocated: 200 cells and 32 MiB a line, 500,000 rows, and for a workbook 128 MiB
//     unpacked and 1,000,000 shared strings, of which 32 MiB are in memory and the others in a temporary file. The
//     package has its own streaming reader for workbooks, because the library that formats the numbers keeps several
//     hundred bytes for each string, and does not report the sheet, cell or formula of a value, or whether the value
//     is stored.
//  10. The rules for the values of a field are the same for every source of rows. [CheckAttribute],
//     [CheckDataSource] and [CheckMapping] apply them to rows that do not come from a file.
//  11. A workbook is written by the package itself, directly to its destination. The library would collect it in a
//     temporary file first, so that nothing is sent for a minute, and would leave the file if the process is killed.
//  12. A file of decisions has the texts of an export unchanged, so that the caller finds out which of them a person
//     has changed ([Decisions]). It may have as many rows as a sheet. Only their ids and decisions are in memory, about
//     300 bytes a row. Their texts are in a temporary file, because the caller needs the rows in the order of their
//     ids.
package tabular
