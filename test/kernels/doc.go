// SPDX-License-Identifier: Apache-2.0

// Package kernels runs the collector under other kernels than the machine's own:
// each one is a Debian cloud kernel in an emulated machine whose only file system
// is an initramfs with busybox, the collector and the program in guest, which
// makes HTTP requests and looks for their rows.
//
// The kernels are fetched with a private apt configuration, so nothing is
// installed and the machine's own package lists stay as they are.
package kernels
