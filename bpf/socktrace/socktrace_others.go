// SPDX-License-Identifier: Apache-2.0

//go:build !linux

package socktrace

import (
	"errors"
	"time"
)

var errLinux = errors.New("sockets are traced by eBPF, which needs Linux 5.10 or later")

// Tracer is the loaded kernel side, of which there is none here.
type Tracer struct{}

// Ring has nothing to read here.
type Ring struct{}

// Load says that it needs Linux.
func Load(Config) (*Tracer, error) { return nil, errLinux }

// The methods of a Tracer are never called, since there is none.

func (t *Tracer) Attach() error                               { return errLinux }
func (t *Tracer) Detach() error                               { return nil }
func (t *Tracer) Close() error                                { return nil }
func (t *Tracer) Rings() []*Ring                              { return nil }
func (t *Tracer) Probes() []Probe                             { return nil }
func (t *Tracer) SetVerdict(uint64, int)                      {}
func (t *Tracer) SetSkip(uint64, uint8, uint64)               {}
func (t *Tracer) IgnoreProcess(*ProcessEvent) error           { return errLinux }
func (t *Tracer) Counters() ([]uint64, error)                 { return nil, errLinux }
func (t *Tracer) Missed() (uint64, error)                     { return 0, errLinux }
func (t *Tracer) Connections(func(Connection)) error          { return errLinux }
func (t *Tracer) Sweep(time.Duration, func(Connection)) error { return errLinux }

func (r *Ring) Wait(time.Duration) error          { return errLinux }
func (r *Ring) Read(int, func(record []byte)) int { return 0 }
func (r *Ring) Waiting() int                      { return 0 }
func (r *Ring) Size() int                         { return 0 }
