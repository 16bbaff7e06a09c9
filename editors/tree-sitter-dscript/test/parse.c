/* Parses files with the grammar, and names those that have a part it cannot read. */
#include <stdio.h>
#include <stdlib.h>
#include <tree_sitter/api.h>

const TSLanguage *tree_sitter_dscript(void);

/* The first node that could not be read, or one that is missing. */
static TSNode broken(TSNode node) {
  for (uint32_t i = 0; i < ts_node_child_count(node); i++) {
    TSNode child = ts_node_child(node, i);
    if (ts_node_has_error(child)) return broken(child);
  }
  return node;
}

int main(int count, char **paths) {
  TSParser *parser = ts_parser_new();
  if (!ts_parser_set_language(parser, tree_sitter_dscript())) {
    fprintf(stderr, "the library does not know the version of the grammar\n");
    return 2;
  }
  int wrong = 0;
  for (int i = 1; i < count; i++) {
    FILE *file = fopen(paths[i], "rb");
    if (!file) {
      perror(paths[i]);
      return 2;
    }
    fseek(file, 0, SEEK_END);
    long length = ftell(file);
    rewind(file);
    char *text = malloc((size_t)length + 1);
    if (!text || fread(text, 1, (size_t)length, file) != (size_t)length) {
      perror(paths[i]);
      return 2;
    }
    fclose(file);
    TSTree *tree = ts_parser_parse_string(parser, NULL, text, (uint32_t)length);
    TSNode root = ts_tree_root_node(tree);
    if (ts_node_has_error(root)) {
      TSPoint at = ts_node_start_point(broken(root));
      printf("%s:%u:%u\n", paths[i], at.row + 1, at.column + 1);
      wrong++;
    }
    ts_tree_delete(tree);
    free(text);
  }
  ts_parser_delete(parser);
  return wrong != 0;
}
