// SPDX-License-Identifier: Apache-2.0

package socktrace

//go:generate go tool -modfile=../../tools/go.mod bpf2go -cc clang-19 -strip llvm-strip-19 -target amd64,arm64 -type limit -type side -type role -type transport -type event_kind -type verdict -type port_rule -type counter -type event_header -type data_event -type datagram_peer -type endpoint -type open_event -type end_event -type close_event -type process_event -type exit_event -type connection -type verdict_entry -type process -type live_socket -type counts bpf socktrace.bpf.c -- -I/usr/include/x86_64-linux-gnu -mcpu=v3 -O2 -g -Wall -Wextra -Wpadded -Wpacked -Wno-unused-parameter -Werror
