/* cyphonic-server: AS, NMS and TRS of a network, and the commands of its operator. */
#include "command/command.h"
#include "server/server.h"

int main(int argc, char **argv) {
  static const struct command commands[] = {
      {"init", "make a new network on this host", server_init},
      {"run", "serve it", server_run},
      {"token create", "make an invitation: one line for one node", server_token_create},
      {"relay create", "make what a further relay needs on its own host", server_relay_create},
      {"node list", "list the network's nodes", server_node_list},
      {"node show", "show one node", server_node_show},
  };
  static const struct command_program program = {
      .name = "cyphonic-server",
      .summary = "Runs a CYPHONIC network.",
      .commands = commands,
      .command_count = sizeof(commands) / sizeof(commands[0]),
      .footer = "Exit codes: 0 done, 1 the command failed, 2 wrong usage. See cyphonic-server(8).",
  };
  return command_run(&program, argc, argv, NULL);
}
