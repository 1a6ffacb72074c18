/*
 * What is asked of libndpi, by pointers and integers alone. Its structures, which change with its releases, are laid out by its own
 * headers here, and nowhere else.
 */
#include <ndpi_api.h>
#include <string.h>

/* A detection module that knows all protocols, or NULL. No two may be made at once. */
void *classify_new(void) {
  struct ndpi_detection_module_struct *module = ndpi_init_detection_module(ndpi_no_prefs);
  NDPI_PROTOCOL_BITMASK all;

  if (module == NULL) return NULL;
  NDPI_BITMASK_SET_ALL(all);
  ndpi_set_protocol_detection_bitmask2(module, &all);
  ndpi_finalize_initialization(module);
  return module;
}

void classify_free(void *module) {
  ndpi_exit_detection_module(module);
}

/* What is to be remembered of a flow, or NULL. */
void *classify_flow_new(void) {
  size_t size = ndpi_detection_get_sizeof_ndpi_flow_struct();
  void *flow = ndpi_flow_malloc(size);

  if (flow != NULL) memset(flow, 0, size);
  return flow;
}

void classify_flow_free(void *flow) {
  ndpi_free_flow(flow);
}

/* Master protocol in the upper half, application protocol in the lower. */
static u_int32_t both(ndpi_protocol protocol) {
  return (u_int32_t) protocol.master_protocol << 16 | protocol.app_protocol;
}

/* What a flow is after one more packet, given from its IP header on. */
u_int32_t classify_packet(void *module, void *flow, const u_int8_t *packet, u_int16_t length, u_int64_t time_ms) {
  return both(ndpi_detection_process_packet(module, flow, packet, length, time_ms));
}

/* What a flow is most probably, by its ports and addresses. */
u_int32_t classify_guess(void *module, void *flow) {
  u_int8_t guessed;

  return both(ndpi_detection_giveup(module, flow, 1, &guessed));
}

/* Belongs to the module. */
const char *classify_name(void *module, u_int16_t protocol) {
  return ndpi_get_proto_name(module, protocol);
}
