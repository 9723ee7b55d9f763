// SPDX-License-Identifier: Apache-2.0

package protocoltracereceiver

import (
	"context"
	"errors"
	"fmt"
	"time"
)

const (
	// shutdownTimeout is how long the pipelines may take for what is left, if who shuts
	// down sets no limit: less than what Kubernetes gives a pod.
	shutdownTimeout = 10 * time.Second
	// shutdownGrace is for pipelines that heed the end of their context.
	shutdownGrace = 100 * time.Millisecond
)

// Shutdown detaches the kernel side, reads what is left in the rings, and hands
// the last spans and sums on, for as long as ctx lasts. It may be called without
// Start, and twice.
func (r *protocolTrace) Shutdown(ctx context.Context) error {
	var err error
	r.stop.Do(func() {
		defer r.forget()
		if r.tracer == nil {
			return
		}
		err = r.tracer.Detach()
		if r.cancel != nil {
			err = errors.Join(err, r.drain(ctx))
		}
		if r.telemetry != nil {
			err = errors.Join(err, r.telemetry.close())
		}
		err = errors.Join(err, r.tracer.Close())
	})
	return err
}

// drain ends the workers and gives the pipelines what they have left. The workers end
// by themselves, since nothing fills the rings any more; a pipeline may not.
func (r *protocolTrace) drain(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, shutdownTimeout)
	defer cancel()
	r.atEnd = r.openBytes()
	r.cancel()
	r.reading.Wait()
	close(r.sender.queue)
	done := make(chan struct{})
	go func() {
		r.running.Wait()
		close(done)
	}()
	defer r.abandon()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
	}
	r.abandon()
	select {
	case <-done:
	case <-time.After(shutdownGrace):
		r.sender.giveUp()
	}
	return fmt.Errorf("protocol_trace: the pipelines did not take all that was left: %w", ctx.Err())
}
