const n=parseInt(process.argv[2]||"2000000");const m=new Map();let x=42;const half=Math.floor(n/2);
for(let i=0;i<n;i++){x=x*16807%2147483647;const k=x%half;m.set(k,(m.get(k)||0)+i%7);}
let found=0;for(let i=0;i<n;i++)if(m.has(i))found++;
let s=0;for(const [k,v] of m)s+=k%1000*v;console.log(m.size+" "+found+" "+s);
