/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* From a system call at its exit to its arguments, and from a file descriptor to
 * the socket behind it. Fallbacks for older kernels live here and nowhere else.
 */
#ifndef PUCK_CALL_H
#define PUCK_CALL_H

#include "kernel.h"

/* THREAD_SIZE of x86-64 and of arm64 with 4 KiB and 16 KiB pages. */
#define KERNEL_STACK_SIZE 16384

/* bpf_get_current_task_btf exists since 5.11 (commit 3ca1032ab7ab), bpf_task_pt_regs
 * since 5.15 (commit dd6e10fbd9fb). Its absence means that the saved registers are
 * looked up at the top of the task's kernel stack.
 */
static __always_inline bool has_task_pt_regs(void)
{
	return bpf_core_enum_value_exists(enum bpf_func_id, BPF_FUNC_task_pt_regs);
}

static __always_inline bool has_current_task_btf(void)
{
	return bpf_core_enum_value_exists(enum bpf_func_id, BPF_FUNC_get_current_task_btf);
}

/* With bpf_rdonly_cast, since 6.2 (commit a35b9af4ec2c), a pointer that was read is
 * followed by plain loads, at a tenth of the cost of bpf_probe_read_kernel.
 */
void *bpf_rdonly_cast(const void *obj, __u32 btf_id) __ksym __weak;

static __always_inline bool has_cast(void)
{
	return bpf_rdonly_cast != NULL;
}

#define CAST(type, pointer) \
	((struct type *)bpf_rdonly_cast(pointer, bpf_core_type_id_kernel(struct type)))

static __always_inline struct task_struct *current_task(void)
{
	return (struct task_struct *)bpf_get_current_task();
}

#if defined(__TARGET_ARCH_arm64)
#define REG_ARG0 orig_x0
#define REG_ARG1 regs[1]
#define REG_ARG2 regs[2]
#define REG_ARG3 regs[3]
#define REG_ARG4 regs[4]
#define REG_ARG5 regs[5]
#else
#define REG_ARG0 di
#define REG_ARG1 si
#define REG_ARG2 dx
#define REG_ARG3 r10
#define REG_ARG4 r8
#define REG_ARG5 r9
#endif

/* user_registers returns the user's registers as the current task saved them when it
 * entered the system call that it is leaving: they are intact until it returns.
 */
static __always_inline struct pt_regs *user_registers(void)
{
	if (has_task_pt_regs())
		return (struct pt_regs *)bpf_task_pt_regs((void *)bpf_get_current_task_btf());
	return (void *)BPF_CORE_READ(current_task(), stack) + KERNEL_STACK_SIZE -
	       bpf_core_type_size(struct pt_regs);
}

/* syscall_arg returns argument n (a constant) of the system call. */
static __always_inline __u64 syscall_arg(struct pt_regs *regs, const int n)
{
	if (has_task_pt_regs()) {
		switch (n) {
		case 0:
			return regs->REG_ARG0;
		case 1:
			return regs->REG_ARG1;
		case 2:
			return regs->REG_ARG2;
		case 3:
			return regs->REG_ARG3;
		case 4:
			return regs->REG_ARG4;
		default:
			return regs->REG_ARG5;
		}
	}
	switch (n) {
	case 0:
		return BPF_CORE_READ(regs, REG_ARG0);
	case 1:
		return BPF_CORE_READ(regs, REG_ARG1);
	case 2:
		return BPF_CORE_READ(regs, REG_ARG2);
	case 3:
		return BPF_CORE_READ(regs, REG_ARG3);
	case 4:
		return BPF_CORE_READ(regs, REG_ARG4);
	default:
		return BPF_CORE_READ(regs, REG_ARG5);
	}
}

/* file_of returns the open file behind a descriptor of the current task, or NULL. */
static __always_inline struct file *file_of(__u64 fd)
{
	struct fdtable *fdt;
	struct file **files;
	struct file *file = NULL;
	__u32 max;

	if (has_current_task_btf()) {
		fdt = ((struct task_struct *)bpf_get_current_task_btf())->files->fdt;
		max = fdt->max_fds;
		files = fdt->fd;
	} else {
		fdt = BPF_CORE_READ(current_task(), files, fdt);
		max = BPF_CORE_READ(fdt, max_fds);
		files = BPF_CORE_READ(fdt, fd);
	}
	if ((__u32)fd >= max)
		return NULL;
	bpf_probe_read_kernel(&file, sizeof(file), &files[(__u32)fd]);
	return file;
}

/* A socket, with what tells it from the next one at the same address. */
struct socket_ref {
	struct sock *sk;
	__u64 inode;
};

/* socket_of_file fills ref and returns true if file is a socket. */
static __always_inline bool socket_of_file(struct file *file, struct socket_ref *ref)
{
	struct inode *inode;
	struct socket *sock;

	if (!file)
		return false;
	if (has_cast()) {
		inode = CAST(file, file)->f_inode;
		if ((inode->i_mode & S_IFMT) != S_IFSOCK)
			return false;
		ref->sk = CAST(socket, CAST(file, file)->private_data)->sk;
		ref->inode = inode->i_ino;
		return ref->sk != NULL;
	}
	inode = BPF_CORE_READ(file, f_inode);
	if ((BPF_CORE_READ(inode, i_mode) & S_IFMT) != S_IFSOCK)
		return false;
	sock = BPF_CORE_READ(file, private_data);
	ref->sk = BPF_CORE_READ(sock, sk);
	ref->inode = BPF_CORE_READ(inode, i_ino);
	return ref->sk != NULL;
}

/* last_reference says whether closing a descriptor of this file closes the file. */
static __always_inline bool last_reference(struct file *file)
{
	/* FILE_REF_ONEREF is 0. */
	if (bpf_core_field_exists(struct file___ref, f_ref))
		return BPF_CORE_READ((struct file___ref *)file, f_ref.refcnt.counter) == 0;
	return BPF_CORE_READ(file, f_count.counter) == 1;
}

#endif
