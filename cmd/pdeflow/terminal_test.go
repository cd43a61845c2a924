//go:build linux

package main

import (
	"bytes"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/pdeflow/pdeflow/schema"
)

// newTerminal opens a pseudo terminal of this many columns, and returns a function that reads what was written to it.
func newTerminal(t *testing.T, columns uint16) (terminal *os.File, written func() string) {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	fd := int(master.Fd())
	if err := unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	number, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	if terminal, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|unix.O_NOCTTY, 0); err != nil {
		t.Fatal(err)
	}
	if err := unix.IoctlSetWinsize(fd, unix.TIOCSWINSZ, &unix.Winsize{Col: columns, Row: 40}); err != nil {
		t.Fatal(err)
	}
	marked := make(chan string, 1)
	go func() {
		defer close(marked)
		var text bytes.Buffer
		buffer := make([]byte, 4096)
		for {
			n, err := master.Read(buffer)
			if err != nil {
				return // the other end is closed
			}
			for _, b := range buffer[:n] {
				if b == 0 {
					marked <- strings.ReplaceAll(text.String(), "\r\n", "\n")
					continue
				}
				text.WriteByte(b)
			}
		}
	}()
	t.Cleanup(func() {
		_ = terminal.Close()
		_ = master.Close()
		for range marked {
			continue // until the reader has ended
		}
	})
	return terminal, func() string {
		fmt.Fprint(terminal, "\x00") // what comes before it was read when it comes
		return <-marked
	}
}

func TestTextFitsTheTerminal(t *testing.T) {
	t.Parallel()
	for _, columns := range []uint16{40, 80, 132} {
		t.Run(fmt.Sprint(columns), func(t *testing.T) {
			t.Parallel()
			terminal, written := newTerminal(t, columns)
			printFields(terminal, field{"rationale", strings.Repeat("The words of the column stand in its name. ", 8)},
				field{"日本", "x"})
			fmt.Fprint(terminal, rewrap(terminal, "   --flag NAME  "+strings.Repeat("help ", 40)+"\n"))
			for line := range strings.SplitSeq(strings.TrimSuffix(written(), "\n"), "\n") {
				if got := cells(line); got > int(columns) {
					t.Errorf("line: got %d columns, want at most %d: %s", got, columns, line)
				}
			}
		})
	}
}

func TestATableFitsTheTerminalAndNamesOmittedColumns(t *testing.T) {
	t.Parallel()
	const id = "0198c2f0-8b7e-7cc3-9f4e-0d6a5c1b2a39"
	for columns, omitted := range map[uint16]string{60: "RISK, TIER", 77: "RISK", 200: ""} {
		t.Run(fmt.Sprintf("%d columns", columns), func(t *testing.T) {
			terminal, written := newTerminal(t, columns)
			w := table(terminal, "RISK", "TIER")
			printRow(w, "MAPPING", "ATTRIBUTE", "TIER", "RISK")
			printRow(w, id, "The current balance of the loan at the end of the month", "Confidential",
				strings.Repeat("m", 20))
			if err := w.Flush(); err != nil {
				t.Fatal(err)
			}
			shown := written()
			for line := range strings.SplitSeq(shown, "\n") {
				if cells(line) > int(columns) {
					t.Errorf("line: got %d columns, want at most %d: %s", cells(line), columns, line)
				}
			}
			if !strings.Contains(shown, id) || strings.Join(w.omitted, ", ") != omitted {
				t.Errorf("%d columns: got %q left out, want %q and the ids in:\n%s",
					columns, w.omitted, omitted, shown)
			}
		})
	}
}

func TestTheBarStaysOnOneLineOfANarrowTerminal(t *testing.T) {
	t.Parallel()
	for _, columns := range []uint16{20, 40, 50, 80} {
		t.Run(fmt.Sprint(columns), func(t *testing.T) {
			t.Parallel()
			terminal, written := newTerminal(t, columns)
			p := newProgress(terminal, true)
			p.show(statusAt(schema.StatusRunning, 0), time.Unix(0, 0))
			p.show(statusAt(schema.StatusRunning, 40), time.Unix(3, 0))
			p.end()
			drawn := written()
			if strings.Count(drawn, "\n") != 1 {
				t.Errorf("%d columns: got the bar %q, want one that does not scroll", columns, drawn)
			}
			for line := range strings.SplitSeq(strings.TrimSpace(strings.ReplaceAll(drawn, "\x1b[K", "")), "\r") {
				if cells(line) >= int(columns) {
					t.Errorf("bar: got %d columns, want fewer than %d: %q", cells(line), columns, drawn)
				}
			}
			if hasBar := strings.Contains(drawn, "█"); hasBar != (columns >= 40) {
				t.Errorf("%d columns: got a bar %v, want %v: %q", columns, hasBar, columns >= 40, drawn)
			}
		})
	}
}
