package eval

import (
	"math"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestTally_CountsByTenPoints(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name       string
		confidence int
		bin        Bin
		high       int
	}{
		{"the lowest", 0, Bin{From: 0, To: 9, Count: 1, Right: 1, Share: 1}, 0},
		{"the end of a bin", 9, Bin{From: 0, To: 9, Count: 1, Right: 1, Confidence: .09, Share: 1}, 0},
		{"the start of a bin", 10, Bin{From: 10, To: 19, Count: 1, Right: 1, Confidence: .1, Share: 1}, 0},
		{"below high", 84, Bin{From: 80, To: 89, Count: 1, Right: 1, Confidence: .84, Share: 1}, 0},
		{"high", 85, Bin{From: 80, To: 89, Count: 1, Right: 1, Confidence: .85, Share: 1}, 1},
		{"the highest", 100, Bin{From: 90, To: 100, Count: 1, Right: 1, Confidence: 1, Share: 1}, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			one := newTally()
			one.add(tt.confidence, true)
			r := one.reliability()
			if diff := cmp.Diff([]Bin{tt.bin}, r.Bins); diff != "" {
				t.Errorf("bins (-want +got):\n%s", diff)
			}
			if r.High != tt.high || r.HighRight != tt.high {
				t.Errorf("high answers: got %d, %d right, want %d, all right", r.High, r.HighRight, tt.high)
			}
		})
	}
}

func TestTally_WeighsTheErrorByTheAnswers(t *testing.T) {
	t.Parallel()
	all := newTally()
	for range 3 {
		all.add(90, true) // 0.1 below the share
	}
	all.add(50, false) // 0.5 above it
	r := all.reliability()
	if want := (3*0.1 + 0.5) / 4; math.Abs(r.Error-want) > 1e-9 {
		t.Errorf("error: got %g, want %g", r.Error, want)
	}
	if r.HighShare != 1 {
		t.Errorf("share of right answers with a high confidence: got %g, want 1", r.HighShare)
	}
}

func TestTally_HasNoReliabilityWithoutAnswers(t *testing.T) {
	t.Parallel()
	if r := newTally().reliability(); r != nil {
		t.Errorf("reliability: got %+v, want nil", r)
	}
}
