package main

import (
	"testing"

	"github.com/pdeflow/pdeflow/schema/schematest"
)

func TestAJobRunsFromThePostToTheRows(t *testing.T) {
	t.Parallel()
	s := newStand(t)
	schematest.Report(t, s.db, 50)
	job := s.regenerate()
	s.exact(s.finish(job), 50)
}
