#include "../../common.h"
int main(int c,char**a){ size_t n; char*b=read_all(a[1],&n); i64 samples=0,busy=0,waiting=0,most=0,queue[64]={0},size=0; (void)c;
  char*p=b,*e=b+n; while(p<e){ i64 f[17]={0}; int k=0; while(p<e&&*p!='\n'){ while(*p==' ')p++; if(*p=='\n'||p>=e)break; i64 v=0; while(*p>='0'&&*p<='9')v=v*10+(*p++-'0'); if(k<17)f[k++]=v; } p++;
    samples++;busy+=f[12]+f[13];if(f[15]>50)waiting++;if(f[3]>most)most=f[3];if(!queue[f[0]]++)size++; }
  i64 common=0;for(i64 r=0;r<20;r++)if(queue[r]>queue[common])common=r;
  printf("%lld %lld %lld %lld %lld %lld\n",(long long)samples,(long long)busy,(long long)waiting,(long long)most,(long long)size,(long long)common); }
