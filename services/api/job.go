package api

// registerJobs registers the routes that list and steer jobs.
func (s *Server) registerJobs() {}
