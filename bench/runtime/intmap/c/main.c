#include "../../common.h"
typedef struct{i64 k,v;char used;}E; static E*tab;static size_t cap=1<<12,cnt;
static u64 mix(u64 x){ x*=0x9E3779B97F4A7C15ULL; return x^(x>>32); }
static E*find(i64 k){ size_t p=mix(k)&(cap-1); while(tab[p].used&&tab[p].k!=k)p=(p+1)&(cap-1); return &tab[p]; }
static void grow(void){ E*o=tab;size_t oc=cap;cap*=2;tab=calloc(cap,sizeof(E)); for(size_t i=0;i<oc;i++)if(o[i].used)*find(o[i].k)=o[i]; free(o); }
int main(int c,char**a){ i64 n=c>1?atoll(a[1]):2000000,x=42; tab=calloc(cap,sizeof(E));
  for(i64 i=0;i<n;i++){ x=x*16807%2147483647; i64 k=x%(n/2); E*e=find(k); if(!e->used){e->used=1;e->k=k;e->v=i%7; if(++cnt*2>cap)grow();} else e->v+=i%7; }
  i64 found=0; for(i64 i=0;i<n;i++)found+=find(i)->used; i64 s=0; for(size_t i=0;i<cap;i++)if(tab[i].used)s+=tab[i].k%1000*tab[i].v;
  printf("%lld %lld %lld\n",(long long)cnt,(long long)found,(long long)s); }
