// Package tabular reads the files that people import, CSV files and .xlsx workbooks, into rows of a report.
//
//  1. The first bytes of a file decide what it is; its name may only contradict. A zip archive is a workbook, everything else is text.
//     A file that is named .xlsx and is not a workbook is refused, because its text would be refused for reasons that puzzle the reader.
//  2. CSV is UTF-8, with or without byte-order marks, separated by commas or semicolons: whichever gives more known column names, or what
//     a first line "sep=;" says. A file without line feeds has its lines ended by carriage returns.
//  3. Names in the header are read without regard to case, with spaces, hyphens and line breaks for underscores, and without a remark in
//     brackets behind them. Their order is free. An unknown column is an error: it is a misspelled one more often than a superfluous one,
//     and its values would be lost.
//  4. The header is the first line among the top 20 that is a header without mistakes, so that a title above it is skipped. Every visible
//     sheet of a workbook with the same columns as the first that fits is read. The result names the sheets that were read, those that were
//     not, and the line of the header. Hidden sheets are never read.
//  5. A row whose cells are all empty is skipped: spreadsheets leave many behind.
//  6. Cells are trimmed. Names and codes are one line: a line break in them becomes a space, and so does a no-break space. Zero-width
//     joiners are kept between letters of the scripts that need them and refused elsewhere, where two names would look the same.
//     "-", "N/A", "NA" and "null" in what identifies a row count as empty.
//  7. A workbook is read as a spreadsheet program displays it, so that the line item 1 is "1" and not "1.0". What it does not hold is
//     refused by cell: formulas without a stored value, errors, merged cells, and in codes dates, exponents and more than 15 digits. A
//     formula's value counts as not stored where the workbook asks to be computed when it is opened, because libraries then store zeros.
//  8. Every problem has file, line (or cell), column and reason, in the order of the file. At most [schema.MaxProblems] are listed and the
//     others counted. No reason repeats a value, because values may be personal data; an unknown name in a header is repeated only if it
//     looks like a name.
//  9. Memory is bounded before it is allocated: 200 cells a line, 500,000 rows, and of a workbook 128 MiB unpacked and 1,000,000 texts.
//     Workbooks are read by our own streaming reader, because the library that formats the numbers keeps several hundred bytes for each
//     text, and tells neither which sheet, cell or formula a value comes from nor whether it is stored.
package tabular
