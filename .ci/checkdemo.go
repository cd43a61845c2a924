// Command checkdemo reads what `pdeflow demo --once --json` printed from standard input and exits 1 unless it is one
// JSON object that reports the whole sample as done: job completed, 118 of 118, and every mapping in a tier.
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
)

// attributes is the length of the sample, FR Y-14M schedule D.1.
const attributes = 118

func main() {
	seconds, err := check(os.Stdin)
	if err != nil {
		fmt.Fprintln(os.Stderr, "demo:", err)
		os.Exit(1)
	}
	fmt.Printf("completed, %d of %d, in %.1f s\n", attributes, attributes, seconds)
}

func check(r io.Reader) (seconds float64, err error) {
	var result struct {
		Job struct {
			Status    string  `json:"status"`
			Total     int     `json:"total_steps"`
			Completed int     `json:"completed_steps"`
			Succeeded int     `json:"succeeded"`
			Skipped   int     `json:"skipped"`
			Failed    int     `json:"failed"`
			Progress  int     `json:"progress_percentage"`
			Error     *string `json:"error"`
		} `json:"job"`
		Classifications map[string]int    `json:"classifications"`
		Seconds         float64           `json:"seconds"`
		URLs            map[string]string `json:"urls"`
	}
	decoder := json.NewDecoder(r)
	if err := decoder.Decode(&result); err != nil {
		return 0, fmt.Errorf("standard output is not a JSON object: %w", err)
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return 0, errors.New("standard output has more than the JSON object")
	}
	job := result.Job
	if job.Status != "completed" || job.Error != nil {
		return 0, fmt.Errorf("job %q, error %v; want completed", job.Status, job.Error)
	}
	if job.Total != attributes || job.Completed != attributes || job.Succeeded != attributes ||
		job.Skipped+job.Failed != 0 || job.Progress != 100 {
		return 0, fmt.Errorf("counts %+v; want %d succeeded of %d and nothing else", job, attributes, attributes)
	}
	sum := 0
	for _, tier := range []string{"HRCI", "Confidential", "Proprietary", "Public"} {
		n, ok := result.Classifications[tier]
		if !ok {
			return 0, fmt.Errorf("no count of %s", tier)
		}
		sum += n
	}
	if sum != attributes || len(result.Classifications) != 4 {
		return 0, fmt.Errorf("tiers %v add up to %d, want %d", result.Classifications, sum, attributes)
	}
	if result.Seconds <= 0 || len(result.URLs) == 0 {
		return 0, fmt.Errorf("%v seconds, urls %v; want both", result.Seconds, result.URLs)
	}
	return result.Seconds, nil
}
