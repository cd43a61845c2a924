//go:build linux && !race

// The race detector multiplies the memory that a process uses.

package main

import (
	"archive/zip"
	"bytes"
	"fmt"
	"io"
	"mime/multipart"
	"net"
	"net/http"
	"os"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/pdeflow/pdeflow/events/eventstest"
	"github.com/pdeflow/pdeflow/schema/schematest"

	"github.com/pdeflow/pdeflow/schema"
)

// memoryLimit is the memory limit of the test's process.
const memoryLimit = 256 << 20

func TestSmallRequestsUseLittleMemory(t *testing.T) {
	// The runtime does not count the pages of the program itself, some 40 MiB.
	t.Setenv("GOMEMLIMIT", strconv.Itoa(memoryLimit*8/10))
	f := newIdleFixture(t, eventstest.Start(t))
	stop := f.run(schema.ServiceAPI) // for a token
	stop()
	schematest.Report(t, f.db, 1)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := listener.Addr().String()
	if err := listener.Close(); err != nil {
		t.Fatal(err)
	}
	f.url = "http://" + address + "/api/v1"
	server := f.startProcess("serve", "--services", "api", "--listen", address, "--auth-secret", string(testSecret))
	f.responds()

	report := f.url + "/planning/cycles/" + schematest.CycleID + "/reports/" + schematest.ReportID
	for name, r := range map[string]struct {
		path, contentType string
		body              []byte
		status            int
	}{
		"too many wrong ids":           jsonOf(report, strings.Repeat("1,", 950_000), http.StatusRequestEntityTooLarge),
		"as many wrong ids as fit":     jsonOf(report, strings.Repeat("1,", 500_000), http.StatusUnprocessableEntity),
		"as many wrong ids as allowed": jsonOf(report, strings.Repeat("1,", 19_999), http.StatusUnprocessableEntity),
		"a header of a million cells": fileOf(t, report, "a.csv",
			[]byte("attribute_name"+strings.Repeat(",x", 1<<20)+"\nA\n")),
		"two million shared strings": fileOf(t, report, "a.xlsx", sharedStrings(t, 2_000_000)),
	} {
		t.Run(name, func(t *testing.T) {
			var all sync.WaitGroup
			for range 2 { // as many as there are imports at once
				all.Go(func() {
					request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, r.path,
						bytes.NewReader(r.body))
					if err != nil {
						t.Error(err)
						return
					}
					request.Header.Set("Authorization", "Bearer "+f.token)
					request.Header.Set("Content-Type", r.contentType)
					response, err := http.DefaultClient.Do(request)
					if err != nil {
						t.Errorf("%s: got %v, want nil", name, err)
						return
					}
					defer response.Body.Close()
					body, err := io.ReadAll(response.Body)
					if err != nil || response.StatusCode != r.status || len(body) > 128<<10 {
						t.Errorf("%s of %d bytes: got %d with %d bytes (%v), want %d: %.300s", name, len(r.body),
							response.StatusCode, len(body), err, r.status, body)
					}
				})
			}
			all.Wait()
			peak := peakMemory(t, server.Process.Pid)
			t.Logf("peak: %d MiB", peak>>20)
			if peak > memoryLimit {
				t.Errorf("%s of %d bytes: got a peak of %d MiB, want at most %d", name, len(r.body), peak>>20,
					memoryLimit>>20)
			}
		})
	}
}

type memoryRequest = struct {
	path, contentType string
	body              []byte
	status            int
}

func jsonOf(report, ids string, status int) memoryRequest {
	return memoryRequest{
		report + "/pde-mappings/regenerate-all", "application/json", []byte(`{"mapping_ids": [` + ids + `1]}`), status,
	}
}

func fileOf(t *testing.T, report, name string, content []byte) memoryRequest {
	t.Helper()
	var body bytes.Buffer
	form := multipart.NewWriter(&body)
	part, err := form.CreateFormFile("attributes", name)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := part.Write(content); err != nil {
		t.Fatal(err)
	}
	if err := form.Close(); err != nil {
		t.Fatal(err)
	}
	return memoryRequest{report + "/import", form.FormDataContentType(), body.Bytes(), http.StatusUnprocessableEntity}
}

// sharedStrings returns a workbook with an empty sheet and this many shared strings.
func sharedStrings(t *testing.T, n int) []byte {
	t.Helper()
	const (
		relations = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
		packages  = "http://schemas.openxmlformats.org/package/2006"
		sheets    = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
		types     = "application/vnd.openxmlformats-officedocument.spreadsheetml."
	)
	var book bytes.Buffer
	archive := zip.NewWriter(&book)
	for name, content := range map[string]string{
		"[Content_Types].xml": `<Types xmlns="` + packages +
			`/content-types"><Default Extension="rels" ` +
			`ContentType="application/vnd.openxmlformats-package.relationships+xml"/>` +
			`<Override PartName="/xl/workbook.xml" ContentType="` + types +
			`sheet.main+xml"/><Override PartName="/xl/worksheets/sheet1.xml" ContentType="` + types +
			`worksheet+xml"/>` +
			`<Override PartName="/xl/sharedStrings.xml" ContentType="` + types + `sharedStrings+xml"/></Types>`,
		"_rels/.rels": `<Relationships xmlns="` + packages + `/relationships"><Relationship Id="r1" Type="` +
			relations + `/officeDocument" Target="xl/workbook.xml"/></Relationships>`,
		"xl/workbook.xml": `<workbook xmlns="` + sheets + `" xmlns:r="` + relations +
			`"><sheets><sheet name="A" sheetId="1" r:id="r1"/></sheets></workbook>`,
		"xl/_rels/workbook.xml.rels": `<Relationships xmlns="` + packages +
			`/relationships"><Relationship Id="r1" Type="` + relations +
			`/worksheet" Target="worksheets/sheet1.xml"/>` +
			`<Relationship Id="r2" Type="` + relations + `/sharedStrings" Target="sharedStrings.xml"/></Relationships>`,
		"xl/worksheets/sheet1.xml": `<worksheet xmlns="` + sheets +
			`"><sheetData><row r="1"><c r="A1" t="s"><v>0</v></c></row></sheetData></worksheet>`,
		"xl/sharedStrings.xml": `<sst xmlns="` + sheets + `">` + strings.Repeat("<si><t>a</t></si>", n) + `</sst>`,
	} {
		file, err := archive.Create(name)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(file, content); err != nil {
			t.Fatal(err)
		}
	}
	if err := archive.Close(); err != nil {
		t.Fatal(err)
	}
	return book.Bytes()
}

// peakMemory returns the peak memory of the process.
func peakMemory(t *testing.T, pid int) int64 {
	t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	found := regexp.MustCompile(`VmHWM:\s*(\d+) kB`).FindSubmatch(status)
	if found == nil {
		t.Fatal("got no peak memory of the process")
	}
	kib, err := strconv.ParseInt(string(found[1]), 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return kib << 10
}
