// SPDX-License-Identifier: GPL-2.0-only
/*
 * collector.ko: what the processes of a workload measure, in one place.
 *
 *   /proc/cagma/buffer       each write is a record: one line of printable
 *                            ASCII, 232 bytes at most. A read gives whole lines
 *                            "NUMBER TIME_NS PID TEXT" and blocks, or poll()s,
 *                            until there is one.
 *   /proc/cagma/statistics   "written N lost N refused N waiting N"
 *
 * A write never waits, so that a signal handler may do it: when the buffer is
 * full the record is lost, which is counted and said (EAGAIN). Nothing is read
 * twice. The module cannot be unloaded while somebody has the buffer open.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/ktime.h>
#include <linux/log2.h>
#include <linux/module.h>
#include <linux/poll.h>
#include <linux/preempt.h>
#include <linux/proc_fs.h>
#include <linux/sched.h>
#include <linux/seq_file.h>
#include <linux/uaccess.h>
#include <linux/vmalloc.h>
#include <linux/wait.h>

#include "ring.h"

#define RECORDS_MIN	2
#define RECORDS_MAX	65536
/* Number, time and process of a record, with the blanks, and the line's end. */
#define LINE_BYTES	(10 + 1 + 20 + 1 + 10 + 1 + CAGMA_RECORD_BYTES + 1)

static unsigned int records = 1024;
module_param(records, uint, 0444);
MODULE_PARM_DESC(records, "room for so many records, a power of two (1024)");

static struct cagma_ring ring;
static DECLARE_WAIT_QUEUE_HEAD(readers);
static atomic64_t written, lost, refused;

/* ---- writers ---- */

/* Whatever a writer brings stays inside its own line. */
static bool is_printable(const struct cagma_record *record)
{
	u32 i;

	for (i = 0; i < record->length; i++)
		if (record->text[i] < ' ' || record->text[i] > '~')
			return false;
	return true;
}

/* The newline at the end is optional, and no part of the text. */
static int take_text(struct cagma_record *record, const char __user *from,
		     size_t size)
{
	char text[CAGMA_RECORD_BYTES + 1];

	if (size > sizeof(text))
		return -EMSGSIZE;
	if (copy_from_user(text, from, size))
		return -EFAULT;
	if (size && text[size - 1] == '\n')
		size--;
	if (size > CAGMA_RECORD_BYTES)
		return -EMSGSIZE;
	memcpy(record->text, text, size);
	record->length = size;
	return size && is_printable(record) ? 0 : -EINVAL;
}

static bool put(const struct cagma_record *record)
{
	bool done;

	preempt_disable();
	done = cagma_ring_put(&ring, record);
	preempt_enable();
	return done;
}

static ssize_t buffer_write(struct file *file, const char __user *from,
			    size_t size, loff_t *position)
{
	struct cagma_record record = {
		.time_ns = ktime_get_ns(),
		.pid = task_pid_vnr(current),
	};
	int err = take_text(&record, from, size);

	if (err) {
		atomic64_inc(&refused);
		return err;
	}
	if (!put(&record)) {
		atomic64_inc(&lost);
		return -EAGAIN;
	}
	atomic64_inc(&written);
	/* Pairs with the barrier of who goes to sleep or polls. */
	if (wq_has_sleeper(&readers))
		wake_up_interruptible(&readers);
	return size;
}

/* ---- readers ---- */

static bool take(struct cagma_record *record, u32 *number)
{
	bool done;

	preempt_disable();
	done = cagma_ring_take(&ring, record, number);
	preempt_enable();
	return done;
}

/* Returns the length of the line, 0 if there is no record, or an error. */
static ssize_t read_line(char __user *to)
{
	struct cagma_record record;
	char line[LINE_BYTES + 1];
	u32 number;
	int length;

	if (!take(&record, &number))
		return 0;
	length = scnprintf(line, sizeof(line), "%u %llu %u %.*s\n", number,
			   record.time_ns, record.pid, (int)record.length,
			   record.text);
	if (copy_to_user(to, line, length)) {
		atomic64_inc(&lost);
		return -EFAULT;
	}
	return length;
}

static ssize_t read_lines(char __user *to, size_t size)
{
	ssize_t done = 0;

	while (size - done >= LINE_BYTES) {
		ssize_t length = read_line(to + done);

		if (length < 0)
			return done ? done : length;
		if (!length)
			break;
		done += length;
	}
	return done;
}

static ssize_t buffer_read(struct file *file, char __user *to, size_t size,
			   loff_t *position)
{
	if (size < LINE_BYTES)
		return -EINVAL;
	for (;;) {
		ssize_t done = read_lines(to, size);

		if (done)
			return done;
		if (file->f_flags & O_NONBLOCK)
			return -EAGAIN;
		if (wait_event_interruptible(readers,
					     !cagma_ring_is_empty(&ring)))
			return -ERESTARTSYS;
	}
}

static __poll_t buffer_poll(struct file *file, poll_table *table)
{
	__poll_t events = 0;

	poll_wait(file, &readers, table);
	if (!cagma_ring_is_empty(&ring))
		events |= EPOLLIN | EPOLLRDNORM;
	if (!cagma_ring_is_full(&ring))
		events |= EPOLLOUT | EPOLLWRNORM;
	return events;
}

/* ---- the files ---- */

static int buffer_open(struct inode *inode, struct file *file)
{
	if (!try_module_get(THIS_MODULE))
		return -ENODEV;
	return stream_open(inode, file);
}

/* proc waits for this to return before it lets the module go. */
static int buffer_release(struct inode *inode, struct file *file)
{
	module_put(THIS_MODULE);
	return 0;
}

static const struct proc_ops buffer_ops = {
	.proc_open = buffer_open,
	.proc_release = buffer_release,
	.proc_read = buffer_read,
	.proc_write = buffer_write,
	.proc_poll = buffer_poll,
	.proc_lseek = noop_llseek,
};

static int statistics_show(struct seq_file *file, void *unused)
{
	seq_printf(file, "written %lld lost %lld refused %lld waiting %u\n",
		   (long long)atomic64_read(&written),
		   (long long)atomic64_read(&lost),
		   (long long)atomic64_read(&refused),
		   READ_ONCE(ring.tail) - READ_ONCE(ring.head));
	return 0;
}

static struct proc_dir_entry *make_files(void)
{
	struct proc_dir_entry *folder = proc_mkdir("cagma", NULL);

	if (!folder)
		return NULL;
	if (proc_create("buffer", 0600, folder, &buffer_ops) &&
	    proc_create_single("statistics", 0444, folder, statistics_show))
		return folder;
	proc_remove(folder);
	return NULL;
}

static struct proc_dir_entry *files;

static int __init collector_init(void)
{
	struct cagma_ring_slot *slots;

	if (!is_power_of_2(records) || records < RECORDS_MIN ||
	    records > RECORDS_MAX) {
		pr_err("records=%u is not a power of two within %u..%u\n",
		       records, RECORDS_MIN, RECORDS_MAX);
		return -EINVAL;
	}
	slots = vzalloc(array_size(records, sizeof(*slots)));
	if (!slots)
		return -ENOMEM;
	cagma_ring_init(&ring, slots, records);
	files = make_files();
	if (!files) {
		vfree(slots);
		return -ENOMEM;
	}
	return 0;
}

static void __exit collector_exit(void)
{
	proc_remove(files);
	vfree(ring.slots);
}

module_init(collector_init);
module_exit(collector_exit);
MODULE_DESCRIPTION("Collects what workload processes measure");
MODULE_LICENSE("GPL");
