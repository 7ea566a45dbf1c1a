package detect

import (
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// What exhaustion leaves out is nothing.
func TestWhoComesBackToAnEighthOfItsObjectsIsNoCollector(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.Float32Range(collectorLeast, windowLimit).Draw(t, "ids")
		back := rapid.Float32Range(comesBack, 1).Draw(t, "share that it asked for before") * n
		require.LessOrEqual(t, logBayes(float64(back), float64(n), customerAgain, collector), 0.0)
	})
}
