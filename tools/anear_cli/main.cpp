// anear: looks after a store from a shell. START HERE for the command line; what each command does
// stands in commands.cpp.
#include <CLI/CLI.hpp>  // IWYU pragma: keep (it gathers what App and errors stand in)
#include <exception>
#include <iostream>
#include <map>
#include <string>

#include "anear/collection/verify.hpp"
#include "anear/version.hpp"
#include "commands.hpp"
#include "report.hpp"

namespace {

using anear::cli::Arguments;
using Command = int (*)(const Arguments&);

/// The command line as CLI11 sees it, and what was chosen.
class CommandLine {
 public:
  CommandLine() {
    app_.name("anear");
    app_.set_version_flag("--version", std::to_string(ANEAR_VERSION_MAJOR) + "." +
                                           std::to_string(ANEAR_VERSION_MINOR) + "." +
                                           std::to_string(ANEAR_VERSION_PATCH));
    app_.require_subcommand(1);
    app_.fallthrough();
    app_.add_flag("--json", arguments_.as_json, "Print one JSON object for programs");
    app_.footer(
        "Exit codes: 0 done, 1 failed, 2 wrong arguments, 3 damaged or lost commits, 130 stopped.\n"
        "Examples:\n"
        "  anear verify context.anear\n"
        "  anear backup context.anear backups && anear restore backups restored.anear\n"
        "  anear erase context.anear notes --filter \"tenant = 'acme'\"");
    add_store_commands();
    add_backup_commands();
  }

  int run(int count, char** words) {
    try {
      app_.parse(count, words);
    } catch (const CLI::ParseError& error) {
      const int code = app_.exit(error);
      return code == 0 ? anear::cli::kDone : anear::cli::kUsage;
    }
    anear::cli::stop_on_signals();
    return chosen_(arguments_);
  }

 private:
  CLI::App* add(const char* name, const char* help, Command command) {
    CLI::App* const added = app_.add_subcommand(name, help);
    added->callback([this, command] { chosen_ = command; });
    return added;
  }
  CLI::App* add_for_store(const char* name, const char* help, Command command) {
    CLI::App* const added = add(name, help, command);
    added->add_option("store", arguments_.store, "The store's directory")->required();
    return added;
  }
  CLI::App* add_for_backups(const char* name, const char* help, Command command) {
    CLI::App* const added = add(name, help, command);
    added->add_option("directory", arguments_.directory, "The directory of backups")->required();
    return added;
  }
  void add_choice(CLI::App* command) {
    auto* const sequence = command->add_option("--sequence", arguments_.sequence,
                                               "The newest backup as of exactly this commit");
    command->add_option("--number", arguments_.number, "This backup; without either, the newest")
        ->excludes(sequence);
  }

  void add_store_commands() {
    namespace cli = anear::cli;
    add_for_store("info", "What is in a store, without changing it", cli::info);
    CLI::App* const verify = add_for_store(
        "verify",
        "Compare every record, row and image with its checksum and with each other. Slow: "
        "reads all; may run beside a writer",
        cli::verify);
    verify
        ->add_option("--level", arguments_.level,
                     "checksums: every byte of files; records: and records, keys and fields with "
                     "each other; full, unless said otherwise: and rows and indexes")
        ->transform(CLI::CheckedTransformer(
            std::map<std::string, anear::VerifyLevel>{{"checksums", anear::VerifyLevel::kChecksums},
                                                      {"records", anear::VerifyLevel::kRecords},
                                                      {"full", anear::VerifyLevel::kFull}},
            CLI::ignore_case));
    verify
        ->add_option("--rate", arguments_.bytes_per_second,
                     "Bytes of files a second, at most; 10M is 10 MiB")
        ->transform(CLI::AsSizeValue(/*kb_is_1000=*/false));
    add_for_store("repair",
                  "Make again what disagrees with the records, save the rows of damaged files, and "
                  "name the records that lost theirs",
                  cli::repair);
    add_for_store("recover",
                  "Give up acknowledged commits that were lost, so that the store opens again; the "
                  "log is copied aside first",
                  cli::recover);
    CLI::App* const erase = add_for_store(
        "erase", "Remove the bytes of records from every file of the store, and print a receipt",
        cli::erase);
    erase->add_option("collection", arguments_.collection, "Its name")->required();
    auto* const which = erase->add_option_group("which", "Which records");
    which->add_option("--key", arguments_.keys, "A key; may be repeated");
    which->add_option("--filter", arguments_.filter, "A filter, as in a search");
    which->require_option(1);
    erase->add_flag("--remove-lost-copies", arguments_.remove_lost_copies,
                    "Also what recover and repair kept aside");
  }

  void add_backup_commands() {
    namespace cli = anear::cli;
    CLI::App* const backup =
        add_for_store("backup", "Back up a store that no other process writes to", cli::backup);
    backup->add_option("directory", arguments_.directory, "The directory of its backups")
        ->required();
    backup->add_flag("--copy", arguments_.copy, "Copy all files, where links would do");
    add_for_backups("backups", "List the backups of a directory", cli::backups);
    add_choice(add_for_backups("verify-backup", "Compare every byte of a backup with its checksum",
                               cli::verify_backup));
    CLI::App* const restore =
        add_for_backups("restore", "Make a store of a backup, as of its commit", cli::restore);
    restore->add_option("target", arguments_.target, "A directory that is empty or not there")
        ->required();
    add_choice(restore);
    add_for_backups("prune", "Remove all backups but the newest", cli::prune)
        ->add_option("--keep", arguments_.keep, "How many stay")
        ->required()
        ->check(CLI::PositiveNumber);
  }

  CLI::App app_{"Looks after a store of anear."};
  Arguments arguments_;
  Command chosen_ = nullptr;
};

}  // namespace

int main(int count, char** words) {
  try {
    return CommandLine().run(count, words);
  } catch (const std::exception& error) {
    std::cerr << "anear: " << error.what() << '\n';
    return anear::cli::kFailed;
  }
}
