#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <stdint.h>
#include <math.h>
#include <unistd.h>
#include <fcntl.h>
typedef int64_t i64; typedef uint64_t u64;
/* Reads a whole file. */
static char *read_all(const char *path, size_t *len){
  int fd=open(path,O_RDONLY);
  size_t cap=1<<20,n=0; char*b=malloc(cap+1);
  for(;;){ if(n==cap){cap*=2;b=realloc(b,cap+1);} ssize_t r=read(fd,b+n,cap-n); if(r<=0)break; n+=r; }
  b[n]=0; *len=n; return b; }
