package api

// registerStatus registers the routes that say where a job stands.
func (s *Server) registerStatus() {}
