/* cyphonic: the command line of a node. */
#include "cli/cli.h"
#include "command/command.h"

int main(int argc, char **argv) {
  static const struct command commands[] = {
      {"join", "join a network by an invitation", cli_join},
      {"up", "connect this node to its network", cli_up},
      {"down", "disconnect it", cli_down},
      {"status", "show this node, its connections and its peers", cli_status},
      {"ping", "measure the round trip to a node through its tunnel", cli_ping},
      {"resolve", "tell a node's full name and virtual addresses", cli_resolve},
      {"netcheck", "tell what this network lets through, and how its NAT behaves", cli_netcheck},
      {"version", "print the versions of this command and of the daemon", cli_version},
  };
  static const struct command_program program = {
      .name = "cyphonic",
      .summary = "Commands this host's node of a CYPHONIC network.",
      .commands = commands,
      .command_count = sizeof(commands) / sizeof(commands[0]),
      .options = &cli_options_argp,
      .footer =
          "Exit codes: 0 done, 1 the command failed, 2 wrong usage, 3 cyphonicd does not run.\n"
          "See cyphonic(1).",
  };
  struct cli_options options = {.socket = CLI_SOCKET_PATH};
  return command_run(&program, argc, argv, &options);
}
