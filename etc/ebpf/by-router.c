/*
 * Distributes what arrives on a shared port over the daemons of a cluster, by the address of its sender: all flows, BGP and
 * BMP sessions and telemetry of a router reach the same daemon. See docs/clusters.md.
 *
 *     clang -O2 -g -target bpf -I /usr/include/$(uname -m)-linux-gnu -DDAEMONS=3 -c by-router.c -o by-router.o
 *
 * DAEMONS  number of daemons; their cluster_id are 0 to DAEMONS - 1
 * WORKERS  nfacctd_workers of each of them, which must be equal
 *
 * A sender whose daemon does not run goes to another one, and returns when its daemon is back. The daemons create the maps,
 * put their sockets into them, and set the nonce.
 */

#include <linux/bpf.h>

#ifndef DAEMONS
#define DAEMONS 2
#endif
#ifndef WORKERS
#define WORKERS 1
#endif

#define SECTION(name) __attribute__((section(name), used))

static void *(*const bpf_map_lookup_elem)(void *map, const void *key) = (void *)BPF_FUNC_map_lookup_elem;
static long (*const bpf_skb_load_bytes_relative)(const void *packet, __u32 offset, void *to, __u32 length,
						 __u32 start) = (void *)BPF_FUNC_skb_load_bytes_relative;
static long (*const bpf_sk_select_reuseport)(struct sk_reuseport_md *packet, void *sockets, void *key,
					     __u64 flags) = (void *)BPF_FUNC_sk_select_reuseport;

/* A number that is part of each hash, so that nobody can choose addresses that all have the same daemon. */
struct {
	int (*type)[BPF_MAP_TYPE_ARRAY];
	__u32 *key;
	__u32 *value;
	int (*max_entries)[1];
	int (*pinning)[1];
} nonce SECTION(".maps");

/* The sockets of all workers: those of daemon 0, then those of daemon 1, and so on. */
struct {
	int (*type)[BPF_MAP_TYPE_REUSEPORT_SOCKARRAY];
	__u32 *key;
	__u64 *value;
	int (*max_entries)[DAEMONS * WORKERS];
	int (*pinning)[1];
} udp_balancing_targets SECTION(".maps");

/* The listening sockets, one for each daemon. */
struct {
	int (*type)[BPF_MAP_TYPE_REUSEPORT_SOCKARRAY];
	__u32 *key;
	__u64 *value;
	int (*max_entries)[DAEMONS];
	int (*pinning)[1];
} tcp_balancing_targets SECTION(".maps");

/* The last step of MurmurHash3: every bit of the number changes half of the bits of the result. */
static inline __u32 mix(__u32 hash)
{
	hash ^= hash >> 16;
	hash *= 0x85ebca6b;
	hash ^= hash >> 13;
	hash *= 0xc2b2ae35;
	return hash ^ hash >> 16;
}

/* A hash of the sender's address. A packet of IPv4 has an IPv4 header even if the socket is for IPv6 as well. */
static inline __u32 sender(struct sk_reuseport_md *packet)
{
	__u32 words[4] = {}, zero = 0, hash = 0;
	__u32 *secret = bpf_map_lookup_elem(&nonce, &zero);
	__u8 version = 0;

	bpf_skb_load_bytes_relative(packet, 0, &version, 1, BPF_HDR_START_NET);
	if (version >> 4 == 6)
		bpf_skb_load_bytes_relative(packet, 8, words, 16, BPF_HDR_START_NET);
	else
		bpf_skb_load_bytes_relative(packet, 12, words, 4, BPF_HDR_START_NET);
	if (secret)
		hash = *secret;
	for (int i = 0; i < 4; i++)
		hash = mix(hash ^ words[i]) + i;
	return hash;
}

/* Selects the socket of a daemon. False if it does not run. */
static inline int give(struct sk_reuseport_md *packet, __u32 daemon, __u32 worker)
{
	if (packet->ip_protocol == 6 /* TCP */)
		return bpf_sk_select_reuseport(packet, &tcp_balancing_targets, &daemon, 0) == 0;
	__u32 place = daemon * WORKERS + worker;
	return bpf_sk_select_reuseport(packet, &udp_balancing_targets, &place, 0) == 0;
}

SECTION("sk_reuseport")
int _selector(struct sk_reuseport_md *packet)
{
	__u32 hash = sender(packet);
	__u32 worker = mix(hash + 1) % WORKERS;

	/* Several hashes, so that the senders of a daemon that does not run are spread over all others. */
	for (__u32 attempt = 0; attempt < 4; attempt++)
		if (give(packet, mix(hash + attempt * 0x9e3779b9) % DAEMONS, worker))
			return SK_PASS;
	for (__u32 next = 0; next < DAEMONS; next++)
		if (give(packet, (hash + next) % DAEMONS, worker))
			return SK_PASS;
	/* Nobody is in the maps: the kernel selects a socket of the port. */
	return SK_PASS;
}

char _license[] SECTION("license") = "GPL";
