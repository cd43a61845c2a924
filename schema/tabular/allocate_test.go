//go:build !race

// The race detector multiplies the memory that a process uses.

package tabular_test

import (
	"runtime"
	"strings"
	"testing"

	"github.com/pdeflow/pdeflow/schema/tabular"
)

// TestSmallFilesDoNotAllocateMuch is not parallel, because it counts what the process allocates.
func TestSmallFilesDoNotAllocateMuch(t *testing.T) {
	shared := func(texts int) string {
		return `<sst>` + strings.Repeat("<si><t>x</t></si>", texts) + `</sst>`
	}
	book := rawWorkbook(t, "", rawSheet{name: "S", rows: withHeader(`<row><c t="s"><v>0</v></c></row>`)})
	for name, c := range map[string]struct {
		file    string
		content []byte
		want    string
	}{
		"header of a million cells": {
			"a.csv", []byte("attribute_name" + strings.Repeat(",x", 1<<20) + "\n"),
			"a.csv:1: the line has more than 200 cells",
		},
		"line of a million cells": {
			"a.csv", []byte("attribute_name\n" + strings.Repeat(";;", 1<<20) + "A" + strings.Repeat(",", 1<<20)),
			"a.csv:2: the line has more than 200 cells",
		},
		"200,000 wrong rows": {
			"a.csv", []byte("attribute_name,is_cde\n" + strings.Repeat(",?\n", 200_000)), "and 399900 more",
		},
		"a million shared texts": {
			"a.xlsx", added(t, book, "xl/sharedStrings.xml", shared(1_000_001)),
			"a.xlsx: the workbook has more than 1000000 texts",
		},
		"a bomb": {
			"a.xlsx",
			added(t, book, "xl/sharedStrings.xml", "<sst><si><t>"+strings.Repeat("x", 129<<20)+"</t></si></sst>"),
			"a.xlsx: unpacked, the workbook is larger than 128 MiB",
		},
	} {
		t.Run(name, func(t *testing.T) {
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			_, err := tabular.Attributes(c.file, c.content)
			runtime.ReadMemStats(&after)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got error %.200v, want %s", err, c.want)
			}
			if mib := (after.TotalAlloc - before.TotalAlloc) >> 20; mib > 600 {
				t.Errorf("got %d MiB allocated in all, want at most 600", mib)
			} else {
				t.Logf("%d KiB in a file, %d MiB allocated in all, heap %d MiB",
					len(c.content)>>10, mib, after.HeapAlloc>>20)
			}
		})
	}
}
