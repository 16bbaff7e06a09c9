#include "../../common.h"
int main(int c,char**a){ i64 n=c>1?atoll(a[1]):1000000,total=0,marks=0; char*b=malloc(200000); size_t len=0;
  for(i64 i=0;i<n;i++){ len+=sprintf(b+len,"x%lld;",(long long)i); if(len>100000){ i64 ones=0; for(size_t k=0;k<len;k++)marks+=b[k]=='x';
    char*r=malloc(3*len+1),*o=r; for(size_t k=0;k<len;k++){ if(b[k]=='1'){memcpy(o,"one",3);o+=3;ones++;} else *o++=b[k]; }
    total+=len+(strstr(b,"9;")-b)+(o-r); free(r); len=10; b[len]=0; } }
  printf("%lld %lld %lld\n",(long long)total,(long long)marks,(long long)len); }
