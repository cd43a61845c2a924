package rules

import (
	"fmt"

	"github.com/pdeflow/pdeflow/schema"
)

// risk is what a leak and what an error costs; "" is nothing.
type risk struct{ leak, err schema.Level }

func riskOf(p *Policy, f facts, facet int) risk {
	r := risk{leak: f.leak.value}
	if r.leak == "" || f.tier.value == schema.HRCI {
		r.leak = p.risk.leak[f.tier.value]
	}
	for level, facets := range p.risk.errs {
		if f.criticality.value == schema.High && facet >= 0 && facets&(1<<facet) != 0 && level.Above(r.err) {
			r.err = level
		}
	}
	return r
}

// level is the worse of the two.
func (r risk) level() schema.Level {
	if r.err.Above(r.leak) {
		return r.err
	}
	return r.leak
}

// because says which of the two risks decides, and why it is what it is.
func (r risk) because(f facts) string {
	if r.err.Above(r.leak) {
		return fmt.Sprintf("an error in it costs %s, because its criticality is %s; a leak %s", r.err, f.criticality.value, r.leak)
	}
	if f.leak.value != "" && f.tier.value != schema.HRCI {
		return fmt.Sprintf("a leak costs %s: %s", r.leak, source(f.leak.by))
	}
	return fmt.Sprintf("a leak of what is %s costs %s", f.tier.value, r.leak)
}
