# From the measurements to what people and programs read.

# Forwards in odd rounds, backwards in even ones: what drifts (heat, a neighbour) drifts for all.
in_turn() { # ROUND
  if [ $(($1 % 2)) -eq 1 ]; then
    printf '%s\n' "${MEASURED[@]}"
  else
    printf '%s\n' "${MEASURED[@]}" | tac
  fi
}

# report BENCHMARK KEY=VALUE...: a table; JSON_FILE and PLOT_FILE, if they are set
report() {
  local peer arguments=()
  for peer in "${MEASURED[@]}"; do
    arguments+=(--version "$peer=${VERSION[$peer]}")
  done
  for peer in "${!SKIPPED[@]}"; do
    arguments+=(--skipped "$peer=${SKIPPED[$peer]}")
  done
  if [ -n "$JSON_FILE" ]; then
    arguments+=(--json "$JSON_FILE")
  fi
  if [ -n "$PLOT_FILE" ]; then
    arguments+=(--plot "$PLOT_FILE")
  fi
  echo
  python3 "$BENCH_FOLDER/lib/report.py" "$MEASUREMENTS" "${arguments[@]}" "$@"
}
