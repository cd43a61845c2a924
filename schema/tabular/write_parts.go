package tabular

import (
	"fmt"
	"strings"
)

// Indexes of the styles of cells in stylesXML.
const (
	// styleValue is written for each number, because LibreOffice gives a cell without a style that of its column, which
	// is text.
	styleValue = iota
	styleHeader
	styleHeaderEditable
	styleText
	// styleQuoted keeps a text that begins like a formula from becoming one when the cell is edited.
	styleQuoted
	styleTime
	styleProse
	// styleFlag has a format, because LibreOffice shows a flag as 1 or 0 without one.
	styleFlag
)

const (
	xmlHeader    = `<?xml version="1.0" encoding="UTF-8" standalone="yes"?>` + "\n"
	spreadsheet  = `xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"`
	relationship = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
	packages     = "http://schemas.openxmlformats.org/package/2006/"
	contentType  = "application/vnd.openxmlformats-officedocument.spreadsheetml."
)

// part is a file in the archive of a workbook.
type part struct{ name, content string }

// explanationSheet is the name of the second sheet.
const explanationSheet = "Columns"

// workbookParts returns the parts that list the others, but for the workbook itself.
func workbookParts() []part {
	override := func(name, kind string) string {
		return fmt.Sprintf(`<Override PartName="/xl/%s.xml" ContentType="%s%s+xml"/>`, name, contentType, kind)
	}
	relation := func(id int, kind, target string) string {
		return fmt.Sprintf(`<Relationship Id="rId%d" Type="%s/%s" Target="%s"/>`, id, relationship, kind, target)
	}
	return []part{
		{"[Content_Types].xml", `<Types xmlns="` + packages + `content-types">` +
			`<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>` +
			override("workbook", "sheet.main") + override("worksheets/sheet1", "worksheet") +
			override("worksheets/sheet2", "worksheet") + override("styles", "styles") + `</Types>`},
		{"_rels/.rels", `<Relationships xmlns="` + packages + `relationships">` +
			relation(1, "officeDocument", "xl/workbook.xml") + `</Relationships>`},
		{"xl/_rels/workbook.xml.rels", `<Relationships xmlns="` + packages + `relationships">` +
			relation(1, "worksheet", "worksheets/sheet1.xml") + relation(2, "worksheet", "worksheets/sheet2.xml") +
			relation(3, "styles", "styles.xml") + `</Relationships>`},
	}
}

// workbookXML returns the workbook. The hidden name of the cells with filters repeats the first sheet, because
// LibreOffice drops filters without it.
func workbookXML(sheet string, columns []SheetColumn, lastLine int) string {
	quoted := "'" + strings.ReplaceAll(sheet, "'", "''") + "'"
	return `<workbook ` + spreadsheet + ` xmlns:r="` + relationship + `">` +
		`<bookViews><workbookView/></bookViews><sheets>` +
		`<sheet name="` + escapeXML(sheet) + `" sheetId="1" r:id="rId1"/>` +
		`<sheet name="` + explanationSheet + `" sheetId="2" r:id="rId2"/></sheets><definedNames>` +
		fmt.Sprintf(`<definedName name="_xlnm._FilterDatabase" localSheetId="0" hidden="1">`+
			`%s!$A$1:$%s$%d</definedName>`, escapeXML(quoted), columnLetters(len(columns)-1), lastLine) +
		`</definedNames></workbook>`
}

// stylesXML returns the styles of cells, in the order of the constants, and those of the coloured values, in the order
// of the columns.
func stylesXML(columns []SheetColumn) string {
	var colours strings.Builder
	count := 0
	for _, column := range columns {
		for _, colour := range column.Colours {
			count++
			fmt.Fprintf(&colours, `<dxf><fill><patternFill patternType="solid"><bgColor rgb="FF%s"/></patternFill>`+
				`</fill></dxf>`, colour.RGB)
		}
	}
	solid := func(rgb string) string {
		return `<fill><patternFill patternType="solid"><fgColor rgb="FF` + rgb + `"/></patternFill></fill>`
	}
	const (
		xf    = `<xf numFmtId="%d" fontId="%d" fillId="%d" borderId="0" xfId="0" applyNumberFormat="1"%s>%s</xf>`
		wraps = `<alignment vertical="top" wrapText="1"/>`
		top   = `<alignment vertical="top"/>`
	)
	return `<styleSheet ` + spreadsheet + `>` +
		`<numFmts count="2"><numFmt numFmtId="164" formatCode="yyyy\-mm\-dd\ hh:mm:ss"/>` +
		`<numFmt numFmtId="165" formatCode="&quot;TRUE&quot;;&quot;TRUE&quot;;&quot;FALSE&quot;"/></numFmts>` +
		`<fonts count="2"><font><sz val="11"/><name val="Calibri"/></font>` +
		`<font><b/><sz val="11"/><name val="Calibri"/></font></fonts>` +
		`<fills count="4"><fill><patternFill patternType="none"/></fill>` +
		`<fill><patternFill patternType="gray125"/></fill>` + solid("D9D9D9") + solid("BDD7EE") + `</fills>` +
		`<borders count="1"><border><left/><right/><top/><bottom/><diagonal/></border></borders>` +
		`<cellStyleXfs count="1"><xf numFmtId="0" fontId="0" fillId="0" borderId="0"/></cellStyleXfs>` +
		`<cellXfs count="8">` + fmt.Sprintf(xf, 0, 0, 0, "", top) +
		fmt.Sprintf(xf, 49, 1, 2, ` applyFont="1" applyFill="1"`, wraps) +
		fmt.Sprintf(xf, 49, 1, 3, ` applyFont="1" applyFill="1"`, wraps) +
		fmt.Sprintf(xf, 49, 0, 0, "", top) +
		fmt.Sprintf(xf, 49, 0, 0, ` quotePrefix="1"`, top) +
		fmt.Sprintf(xf, 164, 0, 0, "", top) +
		fmt.Sprintf(xf, 49, 0, 0, ` applyAlignment="1"`, wraps) +
		fmt.Sprintf(xf, 165, 0, 0, "", top) + `</cellXfs>` +
		fmt.Sprintf(`<dxfs count="%d">%s</dxfs></styleSheet>`, count, colours.String())
}

// sheetStart returns the first sheet up to its first row under the header.
func sheetStart(columns []SheetColumn) string {
	var to strings.Builder
	frozen, pane := 0, "bottomLeft"
	for i, column := range columns {
		if column.Frozen {
			frozen, pane = i+1, "bottomRight"
		}
	}
	split := ""
	if frozen > 0 {
		split = fmt.Sprintf(`xSplit="%d" `, frozen)
	}
	fmt.Fprintf(&to, `<worksheet `+spreadsheet+`><sheetViews><sheetView tabSelected="1" workbookViewId="0">`+
		`<pane %sySplit="1" topLeftCell="%s2" activePane="%s" state="frozen"/></sheetView></sheetViews><cols>`,
		split, columnLetters(frozen), pane)
	for i, column := range columns {
		fmt.Fprintf(&to, `<col min="%d" max="%d" width="%d" customWidth="1" style="%d"/>`,
			i+1, i+1, max(column.Width, 8), styleText)
	}
	to.WriteString(`</cols><sheetData><row r="1" ht="45" customHeight="1">`)
	for i, column := range columns {
		style := styleHeader
		if column.Editable {
			style = styleHeaderEditable
		}
		writeText(&to, columnLetters(i)+"1", style, column.Name)
	}
	to.WriteString(`</row>`)
	return to.String()
}

// sheetEnd returns the first sheet after its last line: the filters, the colours and the drop-down lists.
func sheetEnd(columns []SheetColumn, lastLine int) string {
	var colours, choices strings.Builder
	style, lists := 0, 0
	for i, column := range columns {
		letters := columnLetters(i)
		cells := fmt.Sprintf("%s2:%s%d", letters, letters, max(lastLine, 2))
		if len(column.Colours) > 0 {
			fmt.Fprintf(&colours, `<conditionalFormatting sqref="%s">`, cells)
			for _, colour := range column.Colours {
				fmt.Fprintf(&colours, `<cfRule type="cellIs" dxfId="%d" priority="%d" operator="equal">`+
					`<formula>"%s"</formula></cfRule>`, style, style+1, escapeXML(colour.Value))
				style++
			}
			colours.WriteString(`</conditionalFormatting>`)
		}
		if column.Editable && len(column.Choices) > 0 {
			lists++
			fmt.Fprintf(&choices, `<dataValidation type="list" allowBlank="1" showErrorMessage="1" `+
				`errorTitle="%s" error="Choose a value of the list." sqref="%s"><formula1>"%s"</formula1>`+
				`</dataValidation>`, escapeXML(column.Name), cells, escapeXML(strings.Join(column.Choices, ",")))
		}
	}
	text := fmt.Sprintf(`</sheetData><autoFilter ref="A1:%s%d"/>%s`, columnLetters(len(columns)-1), lastLine,
		colours.String())
	if lists > 0 {
		text += fmt.Sprintf(`<dataValidations count="%d">%s</dataValidations>`, lists, choices.String())
	}
	return text + `</worksheet>`
}

// explanationXML returns the second sheet.
func explanationXML(columns []SheetColumn, notes []string) string {
	var to strings.Builder
	to.WriteString(`<worksheet ` + spreadsheet + `><cols><col min="1" max="1" width="44" customWidth="1"/>` +
		`<col min="2" max="2" width="12" customWidth="1"/><col min="3" max="3" width="50" customWidth="1"/>` +
		`<col min="4" max="4" width="90" customWidth="1"/></cols><sheetData>`)
	line := 0
	write := func(style int, texts ...string) {
		line++
		fmt.Fprintf(&to, `<row r="%d">`, line)
		for i, text := range texts {
			writeText(&to, fmt.Sprintf("%s%d", columnLetters(i), line), style, text)
		}
		to.WriteString(`</row>`)
	}
	for _, note := range notes {
		write(styleText, note)
	}
	write(styleHeader, "Name", "Editable", "Values", "Meaning")
	for _, column := range columns {
		editable := "no"
		if column.Editable {
			editable = "yes"
		}
		write(styleProse, column.Name, editable, strings.Join(column.Choices, ", "), column.About)
	}
	to.WriteString(`</sheetData></worksheet>`)
	return to.String()
}
