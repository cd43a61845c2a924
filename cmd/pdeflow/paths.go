package main

import (
	"net/url"
)

func jobPath(id, rest string) string { return "/jobs/" + url.PathEscape(id) + rest }

func reportPath(cycle, report, rest string) string {
	return "/planning/cycles/" + url.PathEscape(cycle) + "/reports/" + url.PathEscape(report) + rest
}

func mappingsPath(cycle, report, rest string) string {
	return reportPath(cycle, report, "/pde-mappings"+rest)
}
