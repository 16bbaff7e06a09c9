#include "../../common.h"
static int num(const void*a,const void*b){ i64 x=*(i64*)a,y=*(i64*)b; return x<y?-1:x>y; }
static int str(const void*a,const void*b){ return strcmp(*(char**)a,*(char**)b); }
static int mod(const void*a,const void*b){ i64 x=*(i64*)a,y=*(i64*)b; return x%1000!=y%1000?(int)(x%1000-y%1000):num(a,b); }
int main(int c,char**a){ i64 n=c>1?atoll(a[1]):300000,x=42; i64*p=malloc(n*8),*q=malloc(n*8); char**w=malloc(n*8);
  for(i64 i=0;i<n;i++){ x=x*16807%2147483647; p[i]=q[i]=x; char t[32]; sprintf(t,"k%lld",(long long)x); w[i]=strdup(t); }
  qsort(p,n,8,num);qsort(w,n,8,str);qsort(q,n,8,mod); i64 s=0; for(i64 i=0;i<n;i++)s+=(p[i]%1000+q[i]%1000)*(i%10);
  printf("%lld %s %s %s\n",(long long)s,w[0],w[n/2],w[n-1]); }
