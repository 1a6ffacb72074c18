/*
 * The parts of libndpi's API that are used, with pointers and integers only. Its structures, which change between releases, are laid out
 * by its own headers here, and nowhere else.
 */
#include <ndpi_api.h>
#include <string.h>

/* A detection module for all protocols, or NULL. Must not be called concurrently. */
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

/* The state of a flow, or NULL. */
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

/* The application of a flow after one more packet, which starts at its IP header. */
u_int32_t classify_packet(void *module, void *flow, const u_int8_t *packet, u_int16_t length, u_int64_t time_ms) {
  return both(ndpi_detection_process_packet(module, flow, packet, length, time_ms));
}

/* The most probable application of a flow, by its ports and addresses. */
u_int32_t classify_guess(void *module, void *flow) {
  u_int8_t guessed;

  return both(ndpi_detection_giveup(module, flow, 1, &guessed));
}

/* The name belongs to the module. */
const char *classify_name(void *module, u_int16_t protocol) {
  return ndpi_get_proto_name(module, protocol);
}
