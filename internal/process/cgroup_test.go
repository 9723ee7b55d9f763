// SPDX-License-Identifier: Apache-2.0

package process

import (
	"strings"
	"testing"
)

const (
	idA  = "3f4a9c01b2d57e8860ab12cd34ef567890fedcba0987654321aabbccddeeff00"
	idB  = "e2c1b5a7d9f80011223344556677889900aabbccddeeff0123456789abcdef01"
	uid  = "8dbc5577-d0e2-4706-8787-57d52c03ddf2"
	uidU = "8dbc5577_d0e2_4706_8787_57d52c03ddf2"
	hash = "d0f2a3a2c1b64f1e9a7b3c5d7e9f0a1b" // a static pod's
)

func TestParseCgroup(t *testing.T) {
	for _, test := range []struct {
		name, text string
		want       placement
	}{
		{"host, v2", "0::/user.slice/user-1000.slice/session-3.scope\n", placement{}},
		{"host service, v2", "0::/system.slice/nginx.service", placement{}},
		{"host, v1", "12:pids:/init.scope\n1:name=systemd:/init.scope\n", placement{}},
		{"root", "0::/\n", placement{}},

		{"docker cgroupfs v1", "11:memory:/docker/" + idA + "\n1:name=systemd:/docker/" + idA, placement{idA, "docker", ""}},
		{"docker cgroupfs v2", "0::/docker/" + idA, placement{idA, "docker", ""}},
		{"docker systemd v2", "0::/system.slice/docker-" + idA + ".scope", placement{idA, "docker", ""}},
		{"docker, own cgroup namespace", "0::/../docker-" + idA + ".scope", placement{idA, "docker", ""}},
		{"docker in docker", "0::/docker/" + idA + "/docker/" + idB, placement{idB, "docker", ""}},
		{"systemd in docker", "0::/docker/" + idA + "/system.slice/ssh.service", placement{idA, "docker", ""}},
		{"kubernetes, docker cgroupfs v1", "4:cpu:/kubepods/burstable/pod" + uid + "/" + idA, placement{idA, "", uid}},
		{
			"kubernetes, docker systemd v1",
			"4:cpu,cpuacct:/kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-pod" + uidU + ".slice/docker-" + idA + ".scope",
			placement{idA, "docker", uid},
		},

		{
			"containerd systemd v2, burstable",
			"0::/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod" + uidU + ".slice/cri-containerd-" + idA + ".scope",
			placement{idA, "containerd", uid},
		},
		{
			"containerd systemd v2, guaranteed",
			"0::/kubepods.slice/kubepods-pod" + uidU + ".slice/cri-containerd-" + idA + ".scope",
			placement{idA, "containerd", uid},
		},
		{"containerd cgroupfs, guaranteed", "0::/kubepods/pod" + uid + "/" + idA, placement{idA, "", uid}},
		{"containerd cgroupfs v1, best effort", "9:devices:/kubepods/besteffort/pod" + uid + "/" + idA, placement{idA, "", uid}},
		{
			"containerd, drivers that disagree",
			"11:cpuset:/system.slice/containerd.service/kubepods-burstable-pod" + uidU + ".slice:cri-containerd:" + idA,
			placement{idA, "containerd", uid},
		},
		{"containerd, drivers that disagree, at the root", "1:name=systemd:/kubepods-besteffort-pod" + uidU + ".slice:cri-containerd:" + idA, placement{idA, "containerd", uid}},
		{"containerd, ctr in k8s.io", "0::/k8s.io/" + idA, placement{idA, "containerd", ""}},
		{"nerdctl", "0::/system.slice/nerdctl-" + idA + ".scope", placement{idA, "containerd", ""}},
		{
			"kind: kubelet's own slices in a docker container",
			"0::/docker/" + idA + "/kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-besteffort.slice/kubelet-kubepods-besteffort-pod" + uidU + ".slice/cri-containerd-" + idB + ".scope",
			placement{idB, "containerd", uid},
		},
		{"kind, cgroupfs v1", "3:pids:/docker/" + idA + "/kubelet/kubepods/burstable/pod" + uid + "/" + idB, placement{idB, "", uid}},
		{"static pod, cgroupfs", "0::/kubepods/burstable/pod" + hash + "/" + idA, placement{idA, "", hash}},
		{
			"static pod, systemd",
			"0::/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod" + hash + ".slice/cri-containerd-" + idA + ".scope",
			placement{idA, "containerd", hash},
		},
		{"pod without container", "0::/kubepods.slice/kubepods-pod" + uidU + ".slice", placement{"", "", uid}},
		{
			"systemd inside a pod's container",
			"0::/kubepods.slice/kubepods-pod" + uidU + ".slice/cri-containerd-" + idA + ".scope/init.scope",
			placement{idA, "containerd", uid},
		},

		{
			"cri-o systemd v2",
			"0::/kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-pod" + uidU + ".slice/crio-" + idA + ".scope",
			placement{idA, "cri-o", uid},
		},
		{
			"cri-o, inner cgroup",
			"0::/kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-pod" + uidU + ".slice/crio-" + idA + ".scope/container",
			placement{idA, "cri-o", uid},
		},
		{"cri-o cgroupfs", "7:memory:/kubepods/burstable/pod" + uid + "/crio-" + idA, placement{idA, "cri-o", uid}},
		{
			"cri-o's monitor is in the pod, not in the container",
			"0::/kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-pod" + uidU + ".slice/crio-conmon-" + idA + ".scope",
			placement{"", "", uid},
		},

		{"podman as root", "0::/machine.slice/libpod-" + idA + ".scope/container", placement{idA, "podman", ""}},
		{"podman's monitor", "0::/machine.slice/libpod-conmon-" + idA + ".scope", placement{}},
		{
			"podman without root",
			"0::/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-" + idA + ".scope/container",
			placement{idA, "podman", ""},
		},
		{
			"podman's own pod",
			"0::/machine.slice/machine-libpod_pod_" + idB + ".slice/libpod-" + idA + ".scope/container",
			placement{idA, "podman", ""},
		},
		{"podman cgroupfs", "0::/libpod_parent/libpod-" + idA, placement{idA, "podman", ""}},
		{"podman in a systemd service", "0::/system.slice/web.service/libpod-payload-" + idA, placement{idA, "podman", ""}},

		{"lxc v2", "0::/lxc.payload.web-1/system.slice/nginx.service", placement{"web-1", "lxc", ""}},
		{"lxc v1", "5:freezer:/lxc/web-1", placement{"web-1", "lxc", ""}},
		{"lxc with a payload folder", "0::/lxc.payload/web-1/init.scope", placement{"web-1", "lxc", ""}},
		{"lxc's monitor", "0::/lxc.monitor.web-1", placement{}},
		{"docker in lxc", "0::/lxc.payload.web-1/docker/" + idA, placement{idA, "docker", ""}},

		{"garden v1", "2:cpu:/garden/6f265890-5165-7fab-6b52-18d1", placement{"6f265890-5165-7fab-6b52-18d1", "garden", ""}},
		{
			"garden in its service",
			"0::/system.slice/garden.service/garden/good/6f265890-5165-7fab-6b52-18d1",
			placement{"6f265890-5165-7fab-6b52-18d1", "garden", ""},
		},
		{
			"ecs on ec2", "9:memory:/ecs/" + hash + "/" + idA,
			placement{idA, "", ""},
		},
		{"ecs on fargate", "1:name=systemd:/ecs/" + hash + "/" + hash + "-2531612879", placement{hash + "-2531612879", "ecs", ""}},

		{
			"hybrid: controllers on v1, systemd on v2",
			"5:memory:/kubepods/burstable/pod" + uid + "/" + idA + "\n1:name=systemd:/kubepods/burstable/pod" + uid + "/" + idA + "\n0::/system.slice/containerd.service\n",
			placement{idA, "", uid},
		},
		{"hybrid: only one line tells", "12:rdma:/\n5:memory:/docker/" + idA + "\n0::/system.slice/docker.service", placement{idA, "docker", ""}},
		{"leaf name from the kernel", "cri-containerd-" + idA + ".scope", placement{idA, "containerd", ""}},
		{"leaf names from the kernel", "nginx.service\n" + idA, placement{idA, "", ""}},
		{"leaf name with colons", "kubepods-pod" + uidU + ".slice:cri-containerd:" + idA, placement{idA, "containerd", uid}},

		{"removed cgroup", "0::/system.slice/docker-" + idA + ".scope (deleted)", placement{idA, "docker", ""}},
		{"other runner's 32 digits", "4:memory:/process_api/7fefcd831274b31ef9d9a20967ad4293", placement{}},
		{"a commit's hash", "0::/build/" + idA[:40], placement{}},
		{"no uid after pod", "0::/kubepods/podcast/" + idA, placement{idA, "", ""}},
		{"a folder that ends in pod", "0::/tripod" + uid, placement{}},
		{"empty", "", placement{}},
		{"only separators", "::/\n:\n::::\n0::////", placement{}},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := parseCgroup(test.text); got != test.want {
				t.Errorf("parseCgroup(%q)\n got %+v\nwant %+v", test.text, got, test.want)
			}
		})
	}
}

func FuzzParseCgroup(f *testing.F) {
	f.Add("0::/kubepods.slice/kubepods-pod" + uidU + ".slice/cri-containerd-" + idA + ".scope\n")
	f.Add("4:cpu:/system.slice:docker:" + idA)
	f.Add("5:freezer:/lxc/web-1\n0::/garden/6f265890-5165-7fab-6b52-18d1")
	f.Add("0::/../../ecs/" + hash + "-12")
	f.Fuzz(func(t *testing.T, text string) {
		got := parseCgroup(text)
		if !strings.Contains(text, got.container) {
			t.Errorf("container %q is not in the path", got.container)
		}
		if got.pod != "" && !isUUID(got.pod) && !isHex(got.pod, podHashLen) {
			t.Errorf("pod %q is no uid", got.pod)
		}
		if got.runtime != "" && got.container == "" {
			t.Errorf("runtime %q of no container", got.runtime)
		}
	})
}

func BenchmarkParseCgroup(b *testing.B) {
	text := "0::/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod" + uidU + ".slice/cri-containerd-" + idA + ".scope\n"
	b.ReportAllocs()
	for b.Loop() {
		parseCgroup(text)
	}
}
