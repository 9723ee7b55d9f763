// SPDX-License-Identifier: Apache-2.0

// Package e2e runs the built collector against real servers and clients, and
// reads what it exported. Its tests need Linux, root and the Debian packages that
// a missing program's message names; all traffic stays on the loopback interface.
//
// PUCK_BINARY names a collector to use instead of the one that is built.
package e2e
