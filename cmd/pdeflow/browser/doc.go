// Package browser has the tests of the web page in a real browser. They share one browser and one server, which is the
// real program with all services. They are a package of their own so that they run without the race detector, which
// does not see other processes.
package browser
