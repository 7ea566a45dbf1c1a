package api

import (
	"context"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/tollkeeper/tollkeeper/api/gen"
)

// health runs the readiness checks, side by side, each for at most checkBound. Simultaneous requests each run them: the
// checks must be cheap.
type health struct {
	checks   []Check
	stopping atomic.Bool
}

func (h *handlers) GetLive(context.Context, gen.GetLiveRequestObject) (gen.GetLiveResponseObject, error) {
	return gen.GetLive200JSONResponse{Status: gen.HealthStatusOk}, nil
}

func (h *handlers) GetReady(ctx context.Context, _ gen.GetReadyRequestObject) (gen.GetReadyResponseObject, error) {
	_, std := of(ctx)
	verbose := false
	if c, ok := ctx.(*gin.Context); ok {
		c.Header("Cache-Control", "no-store")
		verbose = c.Request.URL.Query().Has("verbose") && h.mayWatch(c) == nil // errors name hosts, files and topics
	}
	answer := h.health.run(std, verbose)
	if answer.Status != gen.HealthStatusOk {
		return gen.GetReady503JSONResponse(answer), nil
	}
	return gen.GetReady200JSONResponse(answer), nil
}

func (h *health) run(ctx context.Context, verbose bool) gen.Health {
	answer := gen.Health{Status: gen.HealthStatusOk, Checks: make([]gen.Check, len(h.checks))}
	var wg sync.WaitGroup
	for i, check := range h.checks {
		wg.Go(func() {
			began := time.Now()
			err := runCheck(ctx, check)
			out := gen.Check{Name: check.Name, Status: gen.CheckStatusOk}
			switch {
			case err != nil && check.Optional:
				out.Status = gen.CheckStatusDegraded
			case err != nil:
				out.Status = gen.CheckStatusFailing
			}
			if verbose {
				out.DurationMs = time.Since(began).Milliseconds()
				if err != nil {
					out.Detail = err.Error()
				}
			}
			answer.Checks[i] = out
		})
	}
	wg.Wait()
	for _, c := range answer.Checks {
		if c.Status == gen.CheckStatusFailing {
			answer.Status = gen.HealthStatusFailing
		}
	}
	if h.stopping.Load() {
		answer.Status = gen.HealthStatusStopping
	}
	return answer
}

// runCheck waits for a check no longer than its bound. A check that does not heed its context is left behind.
func runCheck(ctx context.Context, check Check) error {
	ctx, cancel := context.WithTimeout(ctx, checkBound)
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- check.Run(ctx) }()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// static serves bytes that never change while the process runs.
func (s *Server) static(contentType string, body []byte) gin.HandlerFunc {
	return func(c *gin.Context) {
		c.Header("Cache-Control", "no-cache")
		c.Data(http.StatusOK, contentType, body)
	}
}
