/* SPDX-License-Identifier: GPL-3.0-or-later */
/*
 * A 16550A as the 8250 driver of Linux knows it (National's PC16550D data sheet). Output gathers in
 * a ring: the first byte after a silence leaves at once, what follows within a millisecond goes
 * together. A keeper that does not read holds THRE back until the ring has room, but only for
 * FULL_NS: then bytes are lost, and the guest runs on. Input is taken from the stream as the
 * receive FIFO has room.
 */
#include "engine/devices/serial.h"

#include <errno.h>
#include <pthread.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "engine/vmm/bus.h"
#include "engine/vmm/layout.h"
#include "engine/vmm/loop.h"
#include "engine/vmm/state.h"
#include "engine/vmm/wiring.h"

#define PORTS 8
#define RX_FIFO 16
#define TX_RING 2048
#define TX_FIFO 16 /* with THRE set, a driver may write so many bytes without looking again */
#define GATHER_NS 1000000
#define RETRY_NS 5000000
#define FULL_NS 200000000

/* Registers and bits, in the spelling of the data sheet. */
enum { RBR_THR, IER, IIR_FCR, LCR, MCR, LSR, MSR, SCR };
#define IER_ERBFI 0x01
#define IER_ETBEI 0x02
#define IER_ELSI 0x04
#define IER_EDSSI 0x08
#define IIR_NONE 0x01
#define IIR_MODEM 0x00
#define IIR_THRE 0x02
#define IIR_DATA 0x04
#define IIR_LINE 0x06
#define IIR_TIMEOUT 0x0c
#define IIR_FIFOS 0xc0
#define FCR_ENABLE 0x01
#define FCR_CLEAR_RX 0x02
#define LCR_DLAB 0x80
#define MCR_DTR 0x01
#define MCR_RTS 0x02
#define MCR_OUT1 0x04
#define MCR_OUT2 0x08
#define MCR_LOOP 0x10
#define LSR_DR 0x01
#define LSR_OE 0x02
#define LSR_THRE 0x20
#define LSR_TEMT 0x40
#define MSR_CTS 0x10
#define MSR_DSR 0x20
#define MSR_RI 0x40
#define MSR_DCD 0x80
#define MSR_TERI 0x04

struct serial {
	struct device device; /* first */
	const struct device_env *env;
	struct loop_source stream; /* fd -1: nobody listens, or the keeper is gone */
	struct loop_source timer;
	pthread_mutex_t lock; /* protects what follows; taken before the IOAPIC's */
	bool paused;
	bool line;       /* the interrupt's level now */
	bool rx_blocked; /* the stream is not watched, since the FIFO is full */
	bool timer_armed;
	bool blocked; /* the stream was full at the last try: the timer tries again */
	uint64_t last_send_ns, full_since_ns; /* full_since_ns 0: the ring has room */

	/* saved */
	uint8_t ier, fcr, lcr, mcr, scr, dll, dlm;
	uint8_t overrun;      /* LSR_OE or 0 */
	uint8_t modem_deltas; /* MSR bits 0..3 */
	uint8_t thre_pending;
	uint8_t rx[RX_FIFO];
	uint8_t rx_len;
	uint16_t tx_start, tx_len;
	uint8_t tx[TX_RING];
};

static const struct state_field serial_fields[] = {
	STATE(struct serial, ier, 1),          STATE(struct serial, fcr, 1),
	STATE(struct serial, lcr, 1),          STATE(struct serial, mcr, 1),
	STATE(struct serial, scr, 1),          STATE(struct serial, dll, 1),
	STATE(struct serial, dlm, 1),          STATE(struct serial, overrun, 1),
	STATE(struct serial, modem_deltas, 1), STATE(struct serial, thre_pending, 1),
	STATE(struct serial, rx, 1),           STATE(struct serial, rx_len, 1),
	STATE(struct serial, tx_start, 1),     STATE(struct serial, tx_len, 1),
	STATE(struct serial, tx, 1),           STATE_END,
};

static int check_state(void *object, struct hv_error *err)
{
	const struct serial *s = object;
	if (s->rx_len > RX_FIFO || s->tx_start >= TX_RING || s->tx_len > TX_RING || s->ier & 0xf0 ||
	    s->mcr & 0xe0 || s->overrun & ~LSR_OE || s->modem_deltas & 0xf0 || s->thre_pending > 1)
		return hv_fail(err, HV_FAILED, 0, "state of a serial port that cannot be");
	return 0;
}

static const struct state_section serial_section = {"serial", 1, 1, serial_fields, check_state};

static uint64_t now_ns(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* ns 1 is as good as now; 0 would disarm it. */
static void arm_timer(struct serial *s, long ns)
{
	struct itimerspec when = {.it_value = {.tv_nsec = ns}};
	timerfd_settime(s->timer.fd, 0, &when, NULL);
	s->timer_armed = true;
}

/* ---- interrupts ---------------------------------------------------------------------------------
 */

static unsigned rx_trigger(const struct serial *s)
{
	static const uint8_t levels[] = {1, 4, 8, 14};
	return s->fcr & FCR_ENABLE ? levels[s->fcr >> 6] : 1;
}

/* The pending interrupt of the highest priority (table 5 of the data sheet). */
static uint8_t pending(const struct serial *s)
{
	if (s->ier & IER_ELSI && s->overrun)
		return IIR_LINE;
	if (s->ier & IER_ERBFI && s->rx_len)
		/* below the trigger level the time-out comes, here without the wait for it */
		return s->rx_len >= rx_trigger(s) ? IIR_DATA : IIR_TIMEOUT;
	if (s->ier & IER_ETBEI && s->thre_pending)
		return IIR_THRE;
	if (s->ier & IER_EDSSI && s->modem_deltas)
		return IIR_MODEM;
	return IIR_NONE;
}

static void update_line(struct serial *s)
{
	bool level = pending(s) != IIR_NONE;
	if (level == s->line)
		return;
	s->line = level;
	s->env->wiring->ops->line_set(s->env->wiring, LAYOUT_PIN_SERIAL, level);
}

/* ---- output -------------------------------------------------------------------------------------
 */

static bool tx_has_room(const struct serial *s)
{
	return TX_RING - s->tx_len >= TX_FIFO;
}

/* Room again: the transmitter is empty as far as the driver can see. */
static void tx_drained(struct serial *s)
{
	if (!s->full_since_ns || !tx_has_room(s))
		return;
	s->full_since_ns = 0;
	s->thre_pending = 1;
	update_line(s);
}

/* Sends what the stream takes; the rest waits for the timer. */
static void tx_flush(struct serial *s)
{
	while (s->tx_len) {
		size_t run = TX_RING - s->tx_start;
		if (run > s->tx_len)
			run = s->tx_len;
		ssize_t n = s->stream.fd < 0 ? (ssize_t)run
					     : send(s->stream.fd, s->tx + s->tx_start, run,
						    MSG_DONTWAIT | MSG_NOSIGNAL);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno != EAGAIN)
			n = (ssize_t)run; /* the keeper is gone, and we are about to be */
		s->blocked = n < 0;
		if (s->blocked) {
			arm_timer(s, RETRY_NS);
			break;
		}
		s->tx_start = (uint16_t)((s->tx_start + (size_t)n) % TX_RING);
		s->tx_len = (uint16_t)(s->tx_len - n);
	}
	tx_drained(s);
}

static void tx_byte(struct serial *s, uint8_t byte)
{
	uint64_t now = now_ns();
	if (s->tx_len == TX_RING)
		return; /* the driver did not look, or the keeper has not read for too long */
	s->tx[(s->tx_start + s->tx_len++) % TX_RING] = byte;
	if (s->tx_len >= TX_RING / 2 && !s->blocked) {
		tx_flush(s);
	} else if (!s->timer_armed && now - s->last_send_ns >= GATHER_NS) {
		s->last_send_ns = now;
		tx_flush(s);
	} else if (!s->timer_armed) {
		arm_timer(s, GATHER_NS);
	}
	if (!tx_has_room(s) && !s->full_since_ns)
		s->full_since_ns = now;
	/* taken from the holding register at once, unless the ring is full */
	s->thre_pending = !s->full_since_ns;
}

static uint8_t line_status(const struct serial *s)
{
	uint8_t lsr = s->overrun | (s->rx_len ? LSR_DR : 0);
	if (!s->full_since_ns)
		lsr |= LSR_THRE | LSR_TEMT;
	return lsr;
}

/* ---- input --------------------------------------------------------------------------------------
 */

static void rx_push(struct serial *s, uint8_t byte)
{
	unsigned room = s->fcr & FCR_ENABLE ? RX_FIFO : 1;
	if (s->rx_len >= room)
		s->overrun = LSR_OE;
	else
		s->rx[s->rx_len++] = byte;
}

static uint8_t rx_pop(struct serial *s)
{
	uint8_t byte = s->rx[0];
	if (!s->rx_len)
		return 0;
	memmove(s->rx, s->rx + 1, --s->rx_len);
	if (!s->rx_len && s->rx_blocked)
		arm_timer(s, 1); /* the loop's own thread takes the stream up again */
	return byte;
}

static void watch_stream(struct serial *s)
{
	s->rx_blocked = s->paused || s->rx_len != 0 || s->mcr & MCR_LOOP;
	if (s->stream.fd >= 0)
		loop_change(s->env->loop, &s->stream, s->rx_blocked ? 0 : EPOLLIN);
}

static void stream_ready(struct loop_source *source, uint32_t epoll_events)
{
	struct serial *s = (struct serial *)((char *)source - offsetof(struct serial, stream));
	(void)epoll_events;
	pthread_mutex_lock(&s->lock);
	size_t room = (s->fcr & FCR_ENABLE ? RX_FIFO : 1u) - (s->rx_len ? 1u : 0u);
	ssize_t n = s->rx_len ? -1 : recv(source->fd, s->rx, room, MSG_DONTWAIT);
	if (n > 0)
		s->rx_len = (uint8_t)n;
	if (n == 0) {
		loop_remove(s->env->loop, source);
		source->fd = -1;
	}
	watch_stream(s);
	update_line(s);
	pthread_mutex_unlock(&s->lock);
}

static void timer_ready(struct loop_source *source, uint32_t epoll_events)
{
	struct serial *s = (struct serial *)((char *)source - offsetof(struct serial, timer));
	uint64_t count;
	(void)epoll_events;
	pthread_mutex_lock(&s->lock);
	if (read(source->fd, &count, sizeof count) == (ssize_t)sizeof count) {
		s->timer_armed = false;
		s->last_send_ns = now_ns();
		tx_flush(s);
		if (s->full_since_ns && s->last_send_ns - s->full_since_ns > FULL_NS) {
			s->tx_len = 0;
			tx_drained(s);
		}
		if (s->rx_blocked)
			watch_stream(s);
	}
	pthread_mutex_unlock(&s->lock);
}

/* ---- registers ----------------------------------------------------------------------------------
 */

static uint8_t read_iir(struct serial *s)
{
	uint8_t id = pending(s);
	if (id == IIR_THRE)
		s->thre_pending = 0;
	return id | (s->fcr & FCR_ENABLE ? IIR_FIFOS : 0);
}

static uint8_t modem_status(const struct serial *s)
{
	if (!(s->mcr & MCR_LOOP))
		return MSR_CTS | MSR_DSR | MSR_DCD;
	return (uint8_t)((s->mcr & MCR_RTS ? MSR_CTS : 0) | (s->mcr & MCR_DTR ? MSR_DSR : 0) |
			 (s->mcr & MCR_OUT1 ? MSR_RI : 0) | (s->mcr & MCR_OUT2 ? MSR_DCD : 0));
}

static void write_mcr(struct serial *s, uint8_t value)
{
	uint8_t before = modem_status(s);
	bool was_looped = s->mcr & MCR_LOOP;
	s->mcr = value & 0x1f;
	uint8_t after = modem_status(s), changed = before ^ after;
	if (was_looped || s->mcr & MCR_LOOP) {
		s->modem_deltas |= changed >> 4 & 0x0b;
		if (before & MSR_RI && !(after & MSR_RI))
			s->modem_deltas |= MSR_TERI;
	}
	if (was_looped && !(s->mcr & MCR_LOOP) && s->rx_blocked && !s->rx_len)
		arm_timer(s, 1);
}

static void write_fcr(struct serial *s, uint8_t value)
{
	bool toggled = (s->fcr ^ value) & FCR_ENABLE;
	s->fcr = value & FCR_ENABLE ? value & (0xc0 | FCR_ENABLE) : 0;
	if (!toggled && !(value & FCR_CLEAR_RX))
		return;
	s->rx_len = 0;
	if (s->rx_blocked)
		arm_timer(s, 1);
}

static void write_ier(struct serial *s, uint8_t value)
{
	/* enabling it while the holding register is empty raises it (data sheet, 8.6.6) */
	if (value & ~s->ier & IER_ETBEI && !s->full_since_ns)
		s->thre_pending = 1;
	s->ier = value & 0x0f;
}

static uint8_t read_register(struct serial *s, unsigned reg)
{
	uint8_t value;
	bool dlab = s->lcr & LCR_DLAB;
	switch (reg) {
	case RBR_THR:
		return dlab ? s->dll : rx_pop(s);
	case IER:
		return dlab ? s->dlm : s->ier;
	case IIR_FCR:
		return read_iir(s);
	case LCR:
		return s->lcr;
	case MCR:
		return s->mcr;
	case LSR:
		value = line_status(s);
		s->overrun = 0;
		return value;
	case MSR:
		value = modem_status(s) | s->modem_deltas;
		s->modem_deltas = 0;
		return value;
	default:
		return s->scr;
	}
}

static void write_register(struct serial *s, unsigned reg, uint8_t value)
{
	bool dlab = s->lcr & LCR_DLAB;
	switch (reg) {
	case RBR_THR:
		if (dlab)
			s->dll = value;
		else if (s->mcr & MCR_LOOP)
			rx_push(s, value), s->thre_pending = 1;
		else
			tx_byte(s, value);
		break;
	case IER:
		if (dlab)
			s->dlm = value;
		else
			write_ier(s, value);
		break;
	case IIR_FCR:
		write_fcr(s, value);
		break;
	case LCR:
		s->lcr = value;
		break;
	case MCR:
		write_mcr(s, value);
		break;
	case SCR:
		s->scr = value;
		break;
	default: /* LSR and MSR: written by factory tests only */
		break;
	}
}

static uint64_t serial_read(void *owner, uint64_t offset, unsigned size)
{
	struct serial *s = owner;
	uint64_t value = 0;
	pthread_mutex_lock(&s->lock);
	for (unsigned i = 0; i < size; i++)
		value |= (uint64_t)read_register(s, (unsigned)offset + i) << i * 8;
	update_line(s);
	pthread_mutex_unlock(&s->lock);
	return value;
}

static void serial_write(void *owner, uint64_t offset, unsigned size, uint64_t value)
{
	struct serial *s = owner;
	pthread_mutex_lock(&s->lock);
	for (unsigned i = 0; i < size; i++)
		write_register(s, (unsigned)offset + i, (uint8_t)(value >> i * 8));
	update_line(s);
	pthread_mutex_unlock(&s->lock);
}

static const struct bus_ops serial_bus_ops = {serial_read, serial_write};

/* ---- device -------------------------------------------------------------------------------------
 */

static int serial_pause(struct device *dev, struct hv_error *err)
{
	struct serial *s = (struct serial *)dev;
	(void)err;
	pthread_mutex_lock(&s->lock);
	s->paused = true;
	watch_stream(s);
	tx_flush(s);
	pthread_mutex_unlock(&s->lock);
	return 0;
}

static void serial_resume(struct device *dev)
{
	struct serial *s = (struct serial *)dev;
	pthread_mutex_lock(&s->lock);
	s->paused = false;
	watch_stream(s);
	tx_flush(s);
	pthread_mutex_unlock(&s->lock);
}

static int serial_save(struct device *dev, struct state_out *out, struct hv_error *err)
{
	return state_save(out, &serial_section, dev->id, dev, err);
}

static int serial_load(struct device *dev, struct state_in *in, struct hv_error *err)
{
	struct serial *s = (struct serial *)dev;
	pthread_mutex_lock(&s->lock);
	int ret = state_load(in, &serial_section, dev->id, s, err);
	if (ret == 0) {
		s->full_since_ns = tx_has_room(s) ? 0 : now_ns();
		watch_stream(s);
		update_line(s);
		if (s->tx_len)
			arm_timer(s, GATHER_NS);
	}
	pthread_mutex_unlock(&s->lock);
	return ret;
}

static void serial_free(struct device *dev)
{
	struct serial *s = (struct serial *)dev;
	if (!s)
		return;
	bus_remove(s->env->pio, LAYOUT_PORT_SERIAL, s);
	tx_flush(s); /* the last words of a guest that switched itself off */
	if (s->stream.fd >= 0)
		loop_remove(s->env->loop, &s->stream);
	if (s->timer.fd >= 0) {
		loop_remove(s->env->loop, &s->timer);
		close(s->timer.fd);
	}
	pthread_mutex_destroy(&s->lock);
	free(s);
}

static const struct device_ops serial_ops = {
	.pause = serial_pause,
	.resume = serial_resume,
	.save = serial_save,
	.load = serial_load,
	.free = serial_free,
};

static int connect_serial(struct serial *s, struct hv_error *err)
{
	struct bus_range range = {
		.base = LAYOUT_PORT_SERIAL, .len = PORTS, .ops = &serial_bus_ops, .owner = s};
	int ret;
	if (s->timer.fd < 0)
		return hv_fail(err, HV_FAILED, errno, "serial port: timer");
	if ((ret = loop_add(s->env->loop, &s->timer, EPOLLIN, err)) < 0)
		return ret;
	if (s->stream.fd >= 0 && (ret = loop_add(s->env->loop, &s->stream, EPOLLIN, err)) < 0)
		return ret;
	return bus_add(s->env->pio, &range, err);
}

int serial_new(struct device **out, const struct device_env *env, int stream_fd,
	       struct hv_error *err)
{
	struct serial *s = calloc(1, sizeof *s);
	if (!s)
		return hv_fail(err, HV_FAILED, ENOMEM, "serial port");
	s->device = (struct device){.ops = &serial_ops, .id = "serial0"};
	s->env = env;
	s->dll = 1; /* 115200 */
	s->thre_pending = 1;
	s->stream = (struct loop_source){.fd = stream_fd, .ready = stream_ready};
	s->timer = (struct loop_source){
		.fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC),
		.ready = timer_ready};
	pthread_mutex_init(&s->lock, NULL);
	int ret = connect_serial(s, err);
	if (ret < 0) {
		serial_free(&s->device);
		return ret;
	}
	*out = &s->device;
	return 0;
}
