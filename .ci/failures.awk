# Prints what failed from the output of go test, with or without -v: for each failed package at most 200 lines of its
# failed tests, data races and panics. Of a panic or a timeout only the tests that were running and the beginning of
# the first goroutine are kept, because a dump of all goroutines hides them.
function keep(line) { if (kept++ < 200) part = part line "\n" }
function reset() { part = ""; kept = 0; on = 0; trace = 0; current = ""; rest = ""; delete held }

BEGIN { reset() }

# Compiler errors come first, before the packages.
/^# / { print; compiling = 1; next }
compiling && /^([^ ]+\.go:[0-9]+|\t|too many errors)/ { print; next }
{ compiling = 0 }

/^(ok|\?)[ \t]/ { reset(); next }

/^FAIL\t/ {
    printf "%s%s\n", part == "" ? rest : part, $0
    reset()
    next
}

/^=== (RUN|NAME|CONT|PAUSE)/ { on = 0; current = $3; next }

/^ *--- FAIL: / {
    n = split(held[$3], lines, "\n")
    for (i = 1; i < n; i++) keep(lines[i])
    keep($0)
    on = 1
    next
}

/^ *--- (PASS|SKIP): / { on = 0; next }

/^(panic|fatal error): |^WARNING: DATA RACE/ { on = 1; trace = 0 }

/^goroutine [0-9]+ / { on = on && trace++ == 0 }

on { if (!trace || trace++ < 30) keep($0); next }

current != "" { held[current] = held[current] $0 "\n"; next }

# Used if no test failed, for example if TestMain did.
length(rest) < 20000 { rest = rest $0 "\n" }
