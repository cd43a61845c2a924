# Prints each failed package of go test's output with its failed tests: "PACKAGE TestA|TestB". Exits 1 if a package
# failed for another reason than a test, or if more than three tests failed: then the machine is not the likely cause.
/^--- FAIL: / { tests = tests (tests == "" ? "" : "|") $3; count++ }
/^FAIL\t/ {
    if (tests == "") other = 1
    else print $2, tests
    tests = ""
}
END { exit other || count == 0 || count > 3 }
