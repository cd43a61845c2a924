package api

import "github.com/pdeflow/pdeflow/schema"

// registerRegenerate registers the routes that ask for a job.
func (s *Server) registerRegenerate() {}

// available tells whether there is something that does the classifier's work.
func available(kind schema.ClassifierKind) bool { return kind == schema.Rules }
