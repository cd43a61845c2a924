package api

import "time"

// SetBodyTimeout gives clients another time than a minute to send a request. It is for servers that do not run yet.
func (s *Server) SetBodyTimeout(timeout time.Duration) { s.bodyTimeout = timeout }

// SetPollEvery changes how often statuses are read while no event comes. Call it before the first request.
func (s *Server) SetPollEvery(interval time.Duration) { s.statuses.pollEvery = interval }

// SetJudgeWait makes dry runs wait for another time than ten seconds. It is for servers that do not run yet.
func (s *Server) SetJudgeWait(wait time.Duration) { s.judgeWait = wait }
