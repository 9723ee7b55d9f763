// SPDX-License-Identifier: Apache-2.0

//go:build !linux

package process

import "time"

// bootTime is not known: [New] finds no proc filesystem anyway.
func bootTime() time.Time { return time.Time{} }
